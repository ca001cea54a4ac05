// New case: one step after the other, nothing lost, and a Send that says what is missing.

import { connectBodyMap } from "./body_map.js";
import { Draft, fromBase64, toBase64 } from "./draft.js";
import { connectPatientPicker } from "./patient_picker.js";
import { PhotoField } from "./photo.js";
import { send } from "./send.js";

const form = document.getElementById("new-case");
const texts = { ...document.getElementById("texts").dataset };
const draft = new Draft(`${form.dataset.owner}:${location.search}`);
const steps = ["who", "where", "changed", "photo"].map((name) => document.getElementById(`step-${name}`));
const field = (name) => form.elements[name];
const value = (name) => field(name)?.value ?? "";
let isSending = false;

document.documentElement.classList.add("has-script");

// --- parts -------------------------------------------------------------------------------------

const siteName = (site) => [...field("body_site").options].find((option) => option.value === site)?.text ?? site;

const picker = field("patient") && document.getElementById("patient-choice")
  ? connectPatientPicker(form, texts, siteName, (person, isRestored) => {
      draft.write({ person });
      update();
      if (person && !isRestored) advance(steps[0]);
    }, update)
  : null;

const bodyMap = document.getElementById("body-maps")
  ? connectBodyMap(
      document.getElementById("body-maps"),
      { site: field("body_site"), view: field("body_view"), x: field("map_x"), y: field("map_y") },
      () => {
        showError("body_site", "");
        keep();
        update();
        steps[1].querySelector(".step-next").scrollIntoView({ block: "nearest" });
      },
    )
  : null;

const photos = [...form.querySelectorAll("[data-photo]")].map(
  (root) => new PhotoField(root, texts, async (photo, isKept, problem) => {
    showError(photo.name, problem);
    update();
    if (!photo.blob || isKept) return;
    draft.write({ [`photo:${photo.name}`]: null });
    draft.write({ [`photo:${photo.name}`]: await toBase64(photo.blob) });
  }),
);

// --- what is there and what is missing ------------------------------------------------------------

const knownLesion = () => form.querySelector("[name=lesion]:checked, [name=lesion][type=hidden]");
const hasPhoto = () => Boolean(photos[0].blob);
const checks = {
  who: () => Boolean(value("patient") || value("reference").trim()),
  where: () => Boolean(knownLesion()?.value || value("body_site")),
  photo: hasPhoto,
  consent: () => field("consent").checked,
};
const stepIsDone = {
  "step-who": checks.who,
  "step-where": checks.where,
  "step-changed": () => steps[2].dataset.seen === "yes",
  "step-photo": () => hasPhoto() && checks.consent(),
};

function update() {
  const isKnown = Boolean(knownLesion()?.value);
  const newSpot = document.getElementById("new-spot");
  if (newSpot) newSpot.hidden = isKnown;
  for (const step of steps) {
    step.classList.toggle("is-done", stepIsDone[step.id]());
    step.querySelector(".step-summary").textContent = summaries[step.id]();
  }
  const missing = Object.keys(checks).filter((name) => !checks[name]());
  const words = missing.map((name) => texts[`missing${name[0].toUpperCase()}${name.slice(1)}`]);
  const button = document.getElementById("send");
  button.classList.toggle("btn-primary", !missing.length);
  button.classList.toggle("btn-outline-secondary", missing.length > 0);
  if (picker) steps[0].querySelector(".step-next").hidden = !value("patient") && document.getElementById("new-patient").hidden;
  document.getElementById("missing").textContent = missing.length ? `${texts.missing} ${words.join(", ")}` : texts.ready;
}

const summaries = {
  "step-who": () => document.querySelector("[data-chosen-reference]").textContent || value("reference"),
  "step-where": () => {
    const lesion = knownLesion();
    if (lesion?.value) return lesion.closest("label, .step-body").querySelector("span, strong").firstChild.textContent;
    const side = value("body_view") && texts[value("body_view")];
    return value("body_site") ? [siteName(value("body_site")), side].filter(Boolean).join(", ") : "";
  },
  "step-changed": () => {
    const marked = form.querySelectorAll("[name=checklist]:checked").length;
    if (!marked && !field("is_worried").checked) return steps[2].dataset.seen ? texts.noChange : "";
    return [marked && texts.nMarked.replace("{n}", marked), field("is_worried").checked && texts.worried].filter(Boolean).join(", ");
  },
  "step-photo": () => (hasPhoto() ? texts.photoReady : ""),
};

// --- one step at a time ---------------------------------------------------------------------------

function open(step) {
  for (const other of steps) other.open = other === step;
  if (step.getBoundingClientRect().top < 0) step.scrollIntoView();
}

function advance(step) {
  step.dataset.seen = "yes";
  draft.write({ seen: steps.filter((each) => each.dataset.seen).map((each) => each.id) });
  update();
  const next = steps.slice(steps.indexOf(step) + 1).find((later) => !stepIsDone[later.id]());
  if (!next) return;
  open(next);
  next.querySelector("summary").focus({ preventScroll: true });
  next.scrollIntoView({ block: "start" });
}

const checkOfStep = { "step-who": ["who", "reference", "needsReference"], "step-where": ["where", "body_site", "needsSite"] };

for (const step of steps) {
  const button = step.querySelector(".step-next");
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const [check, name, text] = checkOfStep[step.id] ?? [];
    if (check && !checks[check]()) showError(name, texts[text], true);
    else advance(step);
  });
}

// --- errors at their place ------------------------------------------------------------------------

function showError(name, message, hasFocus = false) {
  if (!name) {
    const notice = document.getElementById("form-error");
    notice.hidden = !message;
    notice.querySelector("span").textContent = message ?? "";
    if (message) notice.scrollIntoView({ block: "center" });
    return;
  }
  const place = document.getElementById(name);
  if (!place) return;
  let line = document.getElementById(`${name}-error`);
  if (!message) {
    line?.remove();
    place.removeAttribute("aria-invalid");
    place.classList.remove("is-invalid");
    return;
  }
  if (!line) {
    line = Object.assign(document.createElement("p"), { className: "field-error", id: `${name}-error` });
    (place.closest(".field, .consent") ?? place).insertAdjacentElement(place.closest(".field") ? "beforeend" : "afterend", line);
  }
  line.textContent = message;
  place.setAttribute("aria-invalid", "true");
  place.setAttribute("aria-describedby", line.id);
  place.classList.add("is-invalid");
  if (!hasFocus) return;
  if (name === "reference" && picker) {
    document.getElementById("patient-query").focus();
    document.getElementById("patient-results-status").textContent = message;
  }
  open(place.closest(".step"));
  line.scrollIntoView({ block: "center" });
  place.focus({ preventScroll: true });
}

form.addEventListener("input", (event) => {
  if (event.target.name) showError(event.target.name, "");
  keep();
  update();
});

// --- the draft ------------------------------------------------------------------------------------

const KEPT = ["submission_key", "reference", "name", "birth_year", "sex", "skin_type", "body_site", "body_view", "map_x", "map_y", "checklist", "is_worried", "comment", "consent", "lesion"];

function keep() {
  const data = new FormData(form);
  draft.write({ values: Object.fromEntries(KEPT.map((name) => [name, data.getAll(name)])) });
}

async function restore() {
  const kept = draft.read();
  for (const id of kept.seen ?? []) document.getElementById(id).dataset.seen = "yes";
  if (kept.person && picker) picker.choose(kept.person, true);
  for (const [name, values] of Object.entries(kept.values ?? {})) {
    for (const input of form.querySelectorAll(`[name=${name}]`)) {
      if (input.type === "checkbox" || input.type === "radio") input.checked = values.includes(input.value);
      else if (input.type !== "file") input.value = values[0] ?? "";
    }
  }
  if (value("reference") && !kept.person) document.getElementById("register-patient")?.click();
  bodyMap?.paint();
  if (value("body_view")) bodyMap?.showView(value("body_view"));
  for (const photo of photos) {
    const text = kept[`photo:${photo.name}`];
    if (text) await photo.accept(fromBase64(text, "image/jpeg"), true);
  }
  const hasDraft = Boolean(kept.values || kept.person);
  document.getElementById("draft-notice").hidden = !hasDraft;
  document.getElementById("start-over").hidden = !hasDraft;
}

document.getElementById("start-over").addEventListener("click", () => {
  draft.clear();
  location.reload();
});

// --- send -----------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isSending) return;
  const needs = [["who", "reference", "needsReference"], ["where", "body_site", "needsSite"], ["photo", "dermoscopic", "needsPhoto"], ["consent", "consent", "needsConsent"]];
  const lacking = needs.filter(([check]) => !checks[check]());
  for (const [, name, text] of lacking.reverse()) showError(name, texts[text], true);
  if (lacking.length) return;
  isSending = true;
  show(true);
  const answer = await send(form.action, filledIn(), (share) => {
    document.getElementById("progress").value = share;
  });
  if (answer.location) {
    draft.clear();
    location.assign(answer.location);
    return;
  }
  isSending = false;
  show(false);
  const errors = answer.errors ?? { "": [texts[`failed${answer.problem[0].toUpperCase()}${answer.problem.slice(1)}`]] };
  for (const [name, messages] of Object.entries(errors).reverse()) showError(name, messages.join(" "), true);
});

function filledIn() {
  const data = new FormData(form);
  for (const photo of photos) {
    data.delete(photo.name);
    if (photo.blob) data.set(photo.name, photo.blob, "photo.jpg"); // the file's own name may be the patient's
  }
  return data;
}

function show(isBusy) {
  const bar = document.getElementById("progress");
  bar.hidden = !isBusy;
  bar.value = 0;
  document.getElementById("send").disabled = isBusy;
  if (isBusy) {
    showError("", "");
    document.getElementById("missing").textContent = texts.sending;
  } else update();
}

const firstError = form.querySelector(".field-error");
await restore();
update();
open(firstError?.closest(".step") ?? steps.find((step) => !stepIsDone[step.id]()) ?? steps[3]);
