// Steps on one page: one is open at a time, and the next opens when the last is done.

export class Steps {
  // `isDone` and `summary` map a step's id to a function; `passed` is called when somebody went on from a step,
  // `finished` after that when no later step is left to do.
  constructor(elements, { isDone, summary, passed, finished }) {
    Object.assign(this, { elements, isDone, summary, passed, finished });
  }

  update() {
    for (const step of this.elements) {
      step.classList.toggle("is-done", this.isDone[step.id]());
      step.querySelector(".step-summary").textContent = this.summary[step.id]();
    }
  }

  // `blocked(step)` says, by answering true, that a step cannot be left yet.
  connect(blocked) {
    for (const step of this.elements) {
      const button = step.querySelector(".step-next");
      if (!button) continue;
      button.hidden = false;
      button.addEventListener("click", () => blocked(step) || this.advance(step));
    }
  }

  open(step) {
    for (const other of this.elements) other.open = other === step;
  }

  openFirst() {
    this.open(this.elements.find((step) => !this.isDone[step.id]()) ?? this.elements.at(-1));
  }

  advance(step) {
    this.passed(step);
    const later = this.elements.slice(this.elements.indexOf(step) + 1);
    const next = later.find((each) => !this.isDone[each.id]());
    if (!next) {
      step.open = false;
      this.finished();
      return;
    }
    this.open(next);
    next.querySelector("summary").focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  }
}
