// New case: one step after the other, nothing lost, and a Send that says what is missing.

import { connectBodyMap } from "./body_map.js";
import { Draft, fromBase64, toBase64 } from "./draft.js";
import { showError } from "./field_errors.js";
import { connectPatientPicker } from "./patient_picker.js";
import { PhotoField } from "./photo.js";
import { send } from "./send.js";
import { Steps } from "./steps.js";

// What a draft keeps besides the photos and the chosen patient.
const KEPT = ["submission_key", "reference", "name", "birth_year", "sex", "skin_type", "lesion", "body_site", "body_view", "map_x", "map_y", "checklist", "is_worried", "comment", "consent"];

const form = document.getElementById("new-case");
const texts = { ...document.getElementById("texts").dataset };
const draft = new Draft(`${form.dataset.owner}:${location.search}`);
const [who, where, changed, photo] = ["who", "where", "changed", "photo"].map((name) => document.getElementById(`step-${name}`));

const find = (id) => document.getElementById(id);
const value = (name) => form.elements[name]?.value ?? "";
const text = (prefix, name) => texts[prefix + name[0].toUpperCase() + name.slice(1)];
const siteName = (site) => [...form.elements.body_site.options].find((option) => option.value === site)?.text ?? site;
// What was typed for a new patient counts only while those fields are shown.
const newReference = () => (find("new-patient")?.hidden === false ? value("reference").trim() : "");
const knownLesion = () => form.querySelector("[name=lesion]:checked, [name=lesion][type=hidden]");

document.documentElement.classList.add("has-script");

// --- what must be there, in the order of the steps: the field that is asked for when it is not -------

const NEEDS = {
  who: { field: "reference", words: "needsReference", isThere: () => Boolean(value("patient") || newReference()) },
  where: { field: "body_site", words: "needsSite", isThere: () => Boolean(knownLesion()?.value || value("body_site")) },
  photo: { field: "dermoscopic", words: "needsPhoto", isThere: () => Boolean(photos[0].blob) },
  consent: { field: "consent", words: "needsConsent", isThere: () => form.elements.consent.checked },
};

const steps = new Steps([who, where, changed, photo], {
  isDone: {
    "step-who": () => NEEDS.who.isThere(),
    "step-where": () => NEEDS.where.isThere(),
    "step-changed": () => Boolean(changed.dataset.seen),
    "step-photo": () => NEEDS.photo.isThere() && NEEDS.consent.isThere(),
  },
  summary: {
    "step-who": () => document.querySelector("[data-chosen-reference]").textContent || newReference(),
    "step-where": summariseWhere,
    "step-changed": summariseChanged,
    "step-photo": () => (NEEDS.photo.isThere() ? texts.photoReady : ""),
  },
  passed(step) {
    step.dataset.seen = "yes";
    draft.write({ seen: steps.elements.filter((each) => each.dataset.seen).map((each) => each.id) });
    update();
  },
  finished: () => find("send").focus(),
});

function summariseWhere() {
  const lesion = knownLesion();
  if (lesion?.value) return lesion.closest("label, .step-body").querySelector("span, strong").firstChild.textContent;
  const side = value("body_view") && texts[value("body_view")];
  return value("body_site") ? [siteName(value("body_site")), side].filter(Boolean).join(", ") : "";
}

function summariseChanged() {
  const marked = form.querySelectorAll("[name=checklist]:checked").length;
  const words = [marked && texts.nMarked.replace("{n}", marked), form.elements.is_worried.checked && texts.worried];
  return words.filter(Boolean).join(", ") || (changed.dataset.seen ? texts.noChange : "");
}

function update() {
  const newSpot = find("new-spot");
  if (newSpot) newSpot.hidden = Boolean(knownLesion()?.value);
  if (picker) who.querySelector(".step-next").hidden = !value("patient") && find("new-patient").hidden;
  steps.update();
  const missing = Object.keys(NEEDS).filter((name) => !NEEDS[name].isThere());
  const asked = missing.length ? `${texts.missing} ${missing.map((name) => text("missing", name)).join(", ")}` : texts.ready;
  const line = find("missing");
  const words = isReadingPhoto() ? texts.readingPhoto : asked;
  if (line.textContent !== words) line.textContent = words; // what is written anew is read aloud anew
  find("send").classList.toggle("btn-primary", !missing.length);
  find("send").classList.toggle("btn-outline-secondary", missing.length > 0);
}

function pointAt(name, message) {
  let place = showError(name, message);
  const step = place.closest(".step");
  if (step) steps.open(step);
  // Its field may be put away, as those of a new patient are once a known one is chosen.
  if ((place.closest(".field") ?? place).offsetParent === null) place = showError("", message);
  place.scrollIntoView({ block: "center" });
  place.focus({ preventScroll: true });
}

function ask(name) {
  const { field, words } = NEEDS[name];
  if (name !== "who" || !find("new-patient")?.hidden) return pointAt(field, texts[words]);
  steps.open(who);
  picker.ask(texts[words]);
}

// --- the parts --------------------------------------------------------------------------------------

const picker = find("patient-choice") && connectPatientPicker(form, texts, {
  chosen(person, isRestored) {
    draft.write({ person });
    update();
    if (person && !isRestored) steps.advance(who);
  },
  switched: () => update(),
});

const bodyMap = find("body-maps") && connectBodyMap(
  find("body-maps"),
  { site: form.elements.body_site, view: form.elements.body_view, x: form.elements.map_x, y: form.elements.map_y },
  () => {
    showError("body_site", "");
    keep();
    update();
    where.querySelector(".step-next").scrollIntoView({ block: "nearest" });
  },
);

const photos = [...form.querySelectorAll("[data-photo]")].map((root) => new PhotoField(root, texts, keepPhoto));

function isReadingPhoto() {
  return photos.some((field) => field.reading);
}

async function keepPhoto(field, isKept, problem) {
  showError(field.name, problem);
  update();
  if (isKept) return;
  draft.removePhoto(field.name); // the old one goes even when the new one finds no room
  const { blob } = field;
  const content = blob && (await toBase64(blob));
  if (content && field.blob === blob) draft.writePhoto(field.name, content);
}

steps.connect((step) => {
  const name = step.id.replace("step-", "");
  const isBlocked = name in NEEDS && !NEEDS[name].isThere();
  if (isBlocked) ask(name);
  return isBlocked;
});

form.addEventListener("input", (event) => {
  if (event.target.name) showError(event.target.name, "");
  keep();
  update();
});

// --- the draft --------------------------------------------------------------------------------------

function keep() {
  const data = new FormData(form);
  draft.write({ values: Object.fromEntries(KEPT.map((name) => [name, data.getAll(name)])) });
}

// Whoever comes back from elsewhere may have another patient before them: who it is for is looked at
// first, and consent asked for again.
async function restore() {
  const kept = draft.read();
  const isComing = performance.getEntriesByType("navigation")[0]?.type !== "reload";
  if (isComing && kept.values) {
    kept.values.consent = [];
    draft.write({ values: kept.values });
  }
  for (const id of kept.seen ?? []) find(id).dataset.seen = "yes";
  // A page for a known patient may have been given back to "nobody": null says so, absence does not.
  if (picker && "person" in kept) picker.choose(kept.person, true);
  for (const [name, values] of Object.entries(kept.values ?? {})) {
    for (const input of form.querySelectorAll(`[name=${name}]`)) {
      if (input.type === "checkbox" || input.type === "radio") input.checked = values.includes(input.value);
      else input.value = values[0] ?? "";
    }
  }
  if (value("reference") && !kept.person) picker?.register(true);
  bodyMap?.repaint();
  for (const field of photos) {
    const content = draft.readPhoto(field.name);
    if (content) await field.accept(fromBase64(content, "image/jpeg"), true);
  }
  const hasDraft = Boolean(kept.values || kept.person);
  find("draft-notice").hidden = !hasDraft;
  find("start-over").hidden = !hasDraft;
  const whom = [kept.person?.reference ?? newReference(), kept.person?.name ?? value("name")].filter(Boolean).join(", ");
  if (whom) find("draft-notice").querySelector("span").textContent = texts.draftFor.replace("{who}", whom);
  if (kept.person) picker?.refresh(kept.person);
  return hasDraft && isComing;
}

find("start-over").addEventListener("click", () => {
  draft.clear();
  location.reload();
});

// --- send -------------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (find("send").disabled || isReadingPhoto()) return;
  const missing = Object.keys(NEEDS).find((name) => !NEEDS[name].isThere());
  if (missing) {
    ask(missing);
    return;
  }
  showBusy(true);
  showError("", "");
  const answer = await send(form.action, filledIn(), (share) => {
    find("progress").value = share;
  });
  if (answer.location) {
    draft.clear();
    location.assign(answer.location);
    return;
  }
  showBusy(false);
  const errors = answer.errors ?? { "": [text("failed", answer.problem)] };
  for (const [name, messages] of Object.entries(errors).reverse()) pointAt(name, messages.join(" "));
  find("load-again").hidden = answer.problem !== "login";
  if (answer.first) offerNewCase(answer.first);
  if (errors.reference) picker?.ask(errors.reference.join(" "), value("reference"));
});

// The form made a case before, from other answers: that one is opened, or this one gets a key of its own.
function offerNewCase({ location: address, new_key: newKey }) {
  find("first-sent").hidden = false;
  find("start-over").hidden = false;
  find("open-first").href = address;
  find("send-as-new").onclick = () => {
    form.elements.submission_key.value = newKey;
    keep();
  };
}

// A page that comes back from the browser's memory holds the key of a form that was sent.
window.addEventListener("pageshow", (event) => event.persisted && location.replace(location.href));

function filledIn() {
  const data = new FormData(form);
  const newPatient = value("patient") ? find("new-patient")?.querySelectorAll("[name]") : [];
  for (const { name } of newPatient ?? []) data.delete(name); // begun, then a known one was chosen
  for (const field of photos) {
    data.delete(field.name);
    if (field.blob) data.set(field.name, field.blob, "photo.jpg"); // the file's own name may be the patient's
  }
  return data;
}

function showBusy(isBusy) {
  find("progress").hidden = !isBusy;
  find("progress").value = 0;
  find("send").disabled = isBusy;
  if (isBusy) find("missing").textContent = texts.sending;
  else update();
}

const firstError = form.querySelector(".field-error");
const isToBeConfirmed = await restore();
update();
if (firstError) steps.open(firstError.closest(".step"));
else if (isToBeConfirmed) steps.open(who);
else steps.openFirst();
