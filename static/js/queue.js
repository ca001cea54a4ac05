// The queue by keyboard: J and K walk along the cases, R opens the one in focus to review it.

import { bindKeys } from "./keys.js";

const links = [...document.querySelectorAll(".queue-link")];
const next = document.querySelector("[data-review-next]");

function walk(step) {
  const here = links.indexOf(document.activeElement);
  const there = here < 0 ? 0 : Math.min(Math.max(here + step, 0), links.length - 1);
  links[there]?.focus();
  links[there]?.closest("tr").scrollIntoView({ block: "nearest" });
}

function review() {
  const link = links.includes(document.activeElement) ? document.activeElement : next;
  if (link) location.assign(link.href);
}

bindKeys({
  j: () => walk(1),
  k: () => walk(-1),
  r: review,
  q: () => links[0]?.focus(),
});

for (const form of document.querySelectorAll("form[data-drop-empty]")) {
  // Empty fields would only make the address longer.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
}
