// A case in the hands of a clinician: taking it, giving it back, deciding, going on.

import { KeptAnswers } from "./kept_answers.js";
import { bindKeys } from "./keys.js";
import { whenSeen } from "./when_seen.js";

const taken = document.querySelector("[data-taken]");
const form = document.querySelector("form[data-review]");
const collision = document.querySelector("[data-collision]");
const answers = form && new KeptAnswers(form);
let isTouched = Boolean(answers?.restore());
let isMine = taken?.dataset.state === "mine";
let taking; // the take that is under way, a promise

function post(url) {
  const body = new FormData();
  body.append("csrf_token", taken.dataset.csrf);
  body.append("then", "stay");
  return [url, body];
}

// Taking is a request of its own and waits until the page is really seen: what a browser
// fetches or renders ahead of time takes no case from anybody.
async function take() {
  const [url, body] = post(taken.dataset.takeUrl);
  const answer = await fetch(url, { method: "POST", body });
  if (answer.ok) {
    isMine = true;
    taken.querySelector("[data-mine]").hidden = false;
    taken.querySelector("[data-free]").hidden = true;
  } else if (answer.status === 409) {
    location.reload(); // somebody took or decided it in this very moment: show who
  }
}

if (taken?.dataset.state === "free") {
  whenSeen(() => {
    taking = take()
      .catch(() => {}) // no connection: the case stays free, and the page as it is
      .finally(() => (taking = undefined));
  });
}

// Moving on without a decision gives the case back at once; closing the laptop does after 30 minutes.
async function leave(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab: this page stays
  const link = event.currentTarget;
  if (taking) {
    // Given back before it is taken, it would stay taken: the server knows their order, this page waits for it.
    event.preventDefault();
    await taking;
    location.assign(link.href);
  }
  if (isMine && !isTouched) navigator.sendBeacon(...post(taken.dataset.releaseUrl));
}

const links = Object.fromEntries([...document.querySelectorAll("[data-leave]")].map((link) => [link.dataset.leave, link]));
for (const link of Object.values(links)) link.addEventListener("click", leave);

bindKeys({
  j: () => links.next.click(),
  k: () => links.previous.click(),
  q: () => links.queue.click(),
  r: () => {
    // Not one selector with a comma: that finds the first in the page, and from there an arrow key would choose anew.
    const chosen = form?.querySelector("[name=diagnosis]:checked") ?? form?.querySelector("[name=diagnosis]");
    chosen?.focus();
    document.getElementById("review")?.scrollIntoView({ block: "start" });
  },
});

const jump = document.querySelector("[data-review-jump]");
if (jump && form) new IntersectionObserver(([entry]) => (jump.hidden = entry.isIntersecting)).observe(form);

if (form) {
  form.addEventListener("input", () => {
    isTouched = true;
    answers.keep();
  });

  const { agrees, diagnosis } = form.elements;
  if (agrees) followDiagnosis(agrees, diagnosis);

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button"));
    }
  });
}

// Agreeing follows from the diagnosis until the clinician says otherwise. Only an answer against the diagnosis counts
// as said: of one that goes with it, nobody can tell in a form that comes filled in whether a person or this set it.
function followDiagnosis(agrees, diagnosis) {
  const implied = () => diagnosis.value && (diagnosis.value === form.dataset.predicted ? "yes" : "no");
  const differs = () => agrees.value !== "" && agrees.value !== implied();
  let isSaid = differs();
  form.addEventListener("change", (event) => {
    if (event.target.name === "diagnosis" && !isSaid) {
      agrees.value = implied();
      answers.keep();
    }
    isSaid = differs();
  });
}

(collision ?? document.querySelector(".field-error")?.closest(".field")?.querySelector("input, textarea"))?.focus();
