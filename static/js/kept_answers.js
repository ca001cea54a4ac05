// What a clinician has begun to write about a case outlives a pause, an ended login and a key pressed by mistake.

import { Draft } from "./draft.js";

// The count is kept with the answers: a decision that came meanwhile still meets them as a collision.
const KEPT = ["expected_review_count", "diagnosis", "agrees", "disposition", "monitor_weeks", "note"];

export class KeptAnswers {
  constructor(form) {
    this.form = form;
    this.draft = new Draft(form.dataset.draft);
    this.fields = KEPT.filter((name) => form.elements[name]);
  }

  keep() {
    const values = Object.fromEntries(this.fields.map((name) => [name, this.form.elements[name].value]));
    this.form.elements.is_kept.value = this.draft.write(values) ? "yes" : "";
  }

  // Whether the form now shows answers that are not recorded.
  restore() {
    if ("answered" in this.form.dataset) {
      this.keep(); // the server sent them back, perhaps with a newer count
      return true;
    }
    const kept = this.draft.read();
    if (Number(kept.expected_review_count ?? 0) < Number(this.form.dataset.ownNumber)) {
      this.draft.clear(); // recorded, and the answer that said so was not seen here
      return false;
    }
    const changed = this.fields.filter((name) => kept[name] && kept[name] !== this.form.elements[name].value);
    for (const name of changed) this.form.elements[name].value = kept[name];
    if (changed.length) this.keep();
    this.form.querySelector("[data-restored]").hidden = !changed.length;
    return changed.length > 0;
  }
}
