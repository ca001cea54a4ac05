// Watch a case without reloading, ever more patiently; show the result when it is there.

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 15_000;
const PATIENCE = 1.15;
const SLOW_AFTER_MS = 90_000;

const live = document.getElementById("live");
const startedAt = Date.now();
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
    location.reload();
    return;
  }
  if (status) live.dataset.status = status;
  show("live-slow", Date.now() - startedAt > SLOW_AFTER_MS);
  pause = Math.min(LONGEST_PAUSE_MS, pause * PATIENCE);
  setTimeout(look, pause);
}

setTimeout(look, pause);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) pause = FIRST_PAUSE_MS;
});
