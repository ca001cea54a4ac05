// What every page needs: menus that close, drafts that end when they are recorded or with the login, a way back.

import { Draft } from "./draft.js";

for (const menu of document.querySelectorAll("details.menu")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !menu.contains(relatedTarget)) menu.open = false;
  });
}

// Whoever logs out leaves nothing in the other tabs either.
const logouts = new BroadcastChannel("logout");
const forget = () => sessionStorage.clear();

for (const form of document.querySelectorAll("form[data-forget-drafts]")) {
  form.addEventListener("submit", () => {
    forget();
    // The login has ended by then: a tab that asked for the login page sooner would be let in again.
    addEventListener("pagehide", () => logouts.postMessage("ended"), { once: true });
  });
  logouts.addEventListener("message", () => {
    forget();
    addEventListener("pagehide", forget); // what is typed until the page has gone
    location.replace(form.dataset.forgetDrafts);
  });
}

for (const said of document.querySelectorAll("[data-ended-draft]")) new Draft(said.dataset.endedDraft).clear();

for (const button of document.querySelectorAll("[data-back]")) {
  button.hidden = history.length < 2;
  button.addEventListener("click", () => history.back());
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

document.querySelector("[data-errors]")?.focus();

// A form that changes something is sent once, however often the button is pressed; again only where no answer comes.
const NO_ANSWER_MS = 10_000;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, NO_ANSWER_MS);
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
