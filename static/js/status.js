// Watch a case without reloading, ever more patiently; show the result when it is there.

import { whenSeen } from "./when_seen.js";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 15_000;
const PATIENCE = 1.15;
const SLOW_AFTER_MS = 90_000;

const live = document.getElementById("live");
const review = document.querySelector("form[data-review]");
const startedAt = Date.now();
let isTouched = Boolean(document.querySelector("[data-collision], .field-error"));
let pause = FIRST_PAUSE_MS;

const show = (id, isShown) => {
  document.getElementById(id).hidden = !isShown;
};

async function look() {
  let status;
  try {
    const response = await fetch(live.dataset.url, { headers: { Accept: "application/json" } });
    if (response.status === 401 || response.status === 404 || response.redirected) {
      show("live-ended", true);
      return;
    }
    ({ status } = await response.json());
    show("live-offline", false);
  } catch {
    show("live-offline", true);
  }
  if (status && status !== "queued" && status !== "running") {
    // A decision half made outlives the news: the server shows the view before it records.
    // Opening the result counts as having seen it, so it waits for somebody who looks.
    if (isTouched) show("live-ready", true);
    else whenSeen(() => location.reload());
    return;
  }
  if (status) live.dataset.status = status;
  show("live-slow", Date.now() - startedAt > SLOW_AFTER_MS);
  pause = Math.min(LONGEST_PAUSE_MS, pause * PATIENCE);
  setTimeout(look, pause);
}

review?.addEventListener("input", () => {
  isTouched = true;
});
setTimeout(look, pause);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) pause = FIRST_PAUSE_MS;
});
