// The photo: wheel, pinch and keys zoom it, dragging moves it, the map lies over it.

import { paintMap } from "./activation_map.js";
import { hasSwitch, isForKeys } from "./keys.js";

const MAX_SCALE = 12;
const STEP = 1.4;

class Viewer {
  constructor(root) {
    this.root = root;
    this.stages = [...root.querySelectorAll(".viewer-stage")];
    this.planes = this.stages.map((stage) => stage.querySelector("[data-plane]"));
    this.pointers = new Map();
    this.all();
    for (const stage of this.stages) this.listen(stage);
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.press(button.dataset.zoom));
    }
    root.querySelector("[data-tools]").hidden = false;
  }

  all() {
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    this.draw();
  }

  press(what) {
    if (what === "all") this.all();
    else this.zoom(what === "in" ? STEP : 1 / STEP);
  }

  // All stages share one view, so that a point of one photo is compared with the same point of the other.
  draw() {
    const { width, height } = this.stages[0].getBoundingClientRect();
    this.x = clamp(this.x, ((this.scale - 1) * width) / 2);
    this.y = clamp(this.y, ((this.scale - 1) * height) / 2);
    for (const plane of this.planes) plane.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.root.classList.toggle("is-zoomed", this.scale > 1);
  }

  // (dx, dy): the point that stays put, from the middle of the stage.
  zoom(factor, dx = 0, dy = 0) {
    const scale = Math.min(Math.max(this.scale * factor, 1), MAX_SCALE);
    const ratio = scale / this.scale;
    this.x = dx - (dx - this.x) * ratio;
    this.y = dy - (dy - this.y) * ratio;
    this.scale = scale;
    this.draw();
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  listen(stage) {
    const fromMiddle = (event) => {
      const box = stage.getBoundingClientRect();
      return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    };
    stage.addEventListener(
      "wheel",
      (event) => {
        if (this.scale === 1 && event.deltaY > 0) return; // nothing to zoom out of: the page scrolls on
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 400), ...fromMiddle(event));
      },
      { passive: false },
    );
    stage.addEventListener("dblclick", (event) => (this.scale > 1 ? this.all() : this.zoom(3, ...fromMiddle(event))));
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
    });
    stage.addEventListener("pointermove", (event) => this.drag(event, fromMiddle));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
  }

  drag(event, fromMiddle) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const still = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (still) {
      const middle = { clientX: (event.clientX + still.clientX) / 2, clientY: (event.clientY + still.clientY) / 2 };
      this.zoom(distance(event, still) / (distance(before, still) || 1), ...fromMiddle(middle));
    } else {
      this.move(event.clientX - before.clientX, event.clientY - before.clientY);
    }
    this.pointers.set(event.pointerId, event);
  }

  key(event) {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (!(event.key in moves) || this.scale === 1) return;
    event.preventDefault();
    this.move(...moves[event.key]);
  }

  showBeside(link) {
    const [stage, other] = this.stages;
    const isShown = !other.hidden && other.querySelector("img").src === link.href;
    other.hidden = isShown;
    this.root.classList.toggle("is-paired", !isShown);
    for (const frame of this.root.querySelectorAll("[data-beside]")) {
      frame.setAttribute("aria-pressed", frame === link && !isShown);
    }
    if (!isShown) other.querySelector("img").src = link.href;
    other.querySelector("[data-other-label]").textContent = link.dataset.beside;
    this.all();
    stage.focus({ preventScroll: true });
  }
}

function clamp(value, limit) {
  return Math.min(Math.max(value, -limit), limit);
}

function distance(a, b) {
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

for (const root of document.querySelectorAll("[data-viewer]")) {
  const viewer = new Viewer(root);
  for (const link of root.querySelectorAll("[data-beside]")) {
    link.setAttribute("role", "button");
    link.setAttribute("aria-pressed", "false");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      viewer.showBeside(link);
    });
    link.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      viewer.showBeside(link);
    });
  }

  const slider = root.querySelector("[data-opacity]");
  const canvas = root.querySelector("[data-map-url]");
  slider?.addEventListener("input", () => {
    canvas.style.opacity = slider.value / 100;
    if (slider.value > 0) paintMap(canvas, root.querySelector("[data-photo]"));
  });

  // Keys that nobody can switch off may act only while the photo has the focus (WCAG 2.1.4).
  (hasSwitch ? document : root).addEventListener("keydown", (event) => {
    if (!isForKeys(event)) return;
    if (event.key === "+" || event.key === "=") viewer.press("in");
    else if (event.key === "-") viewer.press("out");
    else if (event.key === "0") viewer.press("all");
    else if (event.key.toLowerCase() === "m" && slider) {
      slider.value = slider.value > 0 ? 0 : 60;
      slider.dispatchEvent(new Event("input"));
    }
  });
}
