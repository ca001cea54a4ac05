// Find a known patient while typing, or register a new one.

const PAUSE_MS = 250;

export function connectPatientPicker(form, texts, { chosen, switched }) {
  const find = (id) => document.getElementById(id);
  const patient = find("patient");
  const query = find("patient-query");
  const results = find("patient-results");
  const status = find("patient-results-status");
  const fields = find("new-patient");
  let waiting;
  let asked = 0;

  find("forget-patient").hidden = false;
  find("search-again").hidden = false;
  find("patient-search").hidden = false;
  find("forget-patient").addEventListener("click", () => choose(null));
  find("search-again").addEventListener("click", () => {
    register(false);
    query.focus();
  });
  find("register-patient").addEventListener("click", () => {
    const reference = fields.querySelector("[name=reference]");
    if (!reference.value && /\d/.test(query.value)) reference.value = query.value.trim();
    register(true);
    reference.focus();
  });
  query.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, PAUSE_MS);
  });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  showFields(Boolean(fields.querySelector("[name=reference]").value));

  async function search() {
    const number = ++asked;
    status.classList.remove("field-error");
    const text = query.value.trim();
    if (!text) {
      results.replaceChildren();
      status.textContent = "";
      return;
    }
    try {
      const { patients, has_more } = await findPatients(text);
      if (number !== asked) return;
      results.replaceChildren(...patients.map(resultRow));
      if (has_more) status.textContent = texts.foundMore.replace("{n}", patients.length);
      else status.textContent = patients.length ? texts.found : texts.foundNone;
    } catch (error) {
      if (number === asked) status.textContent = error.message === "401" ? texts.failedLogin : texts.searchFailed;
    }
  }

  async function findPatients(text) {
    const url = new URL(form.dataset.searchUrl, location.href);
    url.searchParams.set("q", text);
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  function resultRow(person) {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(element("strong", person.reference), element("span", factsOf(person)));
    button.addEventListener("click", () => choose(person));
    row.append(button);
    return row;
  }

  function choose(person, isRestored = false) {
    patient.value = person?.id ?? "";
    find("chosen-patient").hidden = !person;
    find("patient-choice").hidden = Boolean(person);
    showPerson(person);
    showLesions(person?.lesions ?? []);
    if (!person) {
      register(false);
      if (!isRestored) query.focus();
    }
    chosen(person, isRestored);
  }

  function showPerson(person) {
    document.querySelector("[data-chosen-reference]").textContent = person?.reference ?? "";
    document.querySelector("[data-chosen-facts]").textContent = person ? factsOf(person) : "";
  }

  // A draft keeps the details of when the patient was chosen; they may have been corrected since.
  async function refresh(person) {
    try {
      const { patients } = await findPatients(person.reference);
      const today = patients.find(({ id }) => id === person.id);
      if (!today || patient.value !== today.id) return;
      showPerson(today);
      chosen(today, true);
    } catch {
      // Off the network the kept details stay.
    }
  }

  function showLesions(lesions) {
    const options = find("lesion-options");
    options.replaceChildren(options.firstElementChild, ...lesions.map(lesionOption));
    options.querySelector("input").checked = true;
    find("known-lesions").hidden = !lesions.length;
  }

  function lesionOption(lesion) {
    const label = document.createElement("label");
    label.className = "toggle";
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "lesion", value: lesion.id });
    const text = document.createElement("span");
    text.append(`${lesion.reference} · ${lesion.place}`);
    if (lesion.last_at) {
      const { lang, dataset } = document.documentElement;
      const date = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeZone: dataset.zone });
      const small = element("small", texts.lastPhoto.replace("{date}", date.format(new Date(lesion.last_at))));
      text.append(document.createElement("br"), small);
    }
    label.append(input, text);
    if (lesion.thumbnail) {
      const size = { width: 72, height: 72 };
      label.append(Object.assign(new Image(), { className: "thumb", src: lesion.thumbnail, alt: texts.lastPhotoOf, ...size }));
    }
    return label;
  }

  function register(isNew) {
    showFields(isNew);
    switched();
  }

  function showFields(isNew) {
    fields.hidden = !isNew;
    find("patient-search").hidden = isNew;
  }

  // Back to the search with a word on why; `known` is the reference that somebody has already.
  async function ask(message, known = query.value) {
    register(false);
    query.value = known;
    query.focus();
    await search();
    status.textContent = message;
    status.classList.add("field-error");
  }

  return { choose, register, ask, refresh };
}

function factsOf(person) {
  return [person.name, person.birth_year].filter(Boolean).join(", ");
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
