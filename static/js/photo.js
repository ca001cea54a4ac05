// One photo: camera or file, scaled down here, shown with its size, judged at once.

import { measure } from "./quality.js";

const LONGEST_SIDE_PX = 2048;
const JPEG_QUALITY = 0.92;

export class PhotoField {
  constructor(root, texts, changed) {
    this.root = root;
    this.texts = texts;
    this.changed = changed;
    this.name = root.dataset.photo;
    this.input = root.querySelector("input[type=file]");
    this.blob = null;
    this.reading = null; // the file being prepared; one chosen meanwhile takes its place
    root.querySelector(".photo-actions").hidden = false;
    this.camera = root.querySelector("[data-camera]");
    this.label = this.camera.textContent.trim();
    this.camera.addEventListener("click", () => this.ask("environment"));
    root.querySelector("[data-browse]").addEventListener("click", () => this.ask(null));
    this.removal = root.querySelector("[data-remove]");
    this.removal?.addEventListener("click", () => {
      this.clear();
      this.camera.focus();
    });
    this.input.addEventListener("change", () => this.input.files[0] && this.accept(this.input.files[0]));
  }

  ask(camera) {
    if (camera) this.input.setAttribute("capture", camera);
    else this.input.removeAttribute("capture");
    this.input.click();
  }

  // `isKept` says that the blob was prepared before and comes out of the draft.
  async accept(file, isKept = false) {
    const advice = this.root.querySelector(".photo-advice");
    advice.hidden = true;
    this.reading = file;
    this.blob = null; // the one before is not to be sent any more
    this.say(this.texts.readingPhoto);
    this.changed(this, true);
    try {
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      const canvas = scaledDown(bitmap);
      bitmap.close();
      const blob = isKept ? file : await toJpeg(canvas);
      if (this.reading !== file) return;
      this.blob = blob;
      this.show(canvas, isKept);
      this.advise(measure(canvas));
      this.reading = null;
      this.changed(this, isKept);
    } catch {
      if (this.reading === file) this.refuse();
    }
  }

  refuse() {
    this.clear(this.texts.photoUnreadable);
  }

  clear(problem = "") {
    this.blob = null;
    this.reading = null;
    this.input.value = "";
    this.root.querySelector(".photo-preview").hidden = true;
    if (this.removal) this.removal.hidden = true;
    this.camera.querySelector("span").textContent = this.label;
    this.changed(this, false, problem);
  }

  show(canvas, isKept) {
    const preview = this.root.querySelector("canvas");
    const scale = Math.min(1, 900 / Math.max(canvas.width, canvas.height));
    preview.width = Math.round(canvas.width * scale);
    preview.height = Math.round(canvas.height * scale);
    preview.getContext("2d").drawImage(canvas, 0, 0, preview.width, preview.height);
    const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
    const size = this.blob.size < 1e6 ? `${number.format(this.blob.size / 1e3)} kB` : `${number.format(this.blob.size / 1e6)} MB`;
    const words = isKept ? this.texts.kept : this.texts.photoReady;
    this.say(`${words}: ${canvas.width} × ${canvas.height}, ${size}`);
    if (this.removal) this.removal.hidden = false;
    const guide = this.root.querySelector(".photo-guide");
    if (guide) guide.hidden = true;
    this.camera.querySelector("span").textContent = this.texts.takeAgain;
    this.camera.classList.replace("btn-primary", "btn-outline-secondary");
  }

  say(words) {
    this.root.querySelector(".photo-preview").hidden = false;
    this.root.querySelector("figcaption").textContent = words;
  }

  advise({ problems }) {
    const advice = this.root.querySelector(".photo-advice");
    const lines = problems.map((code) => this.texts[`advice${camelCase(code)}`]);
    lines.push(problems.length ? this.texts.photoAnyway : this.texts.photoFine);
    const kind = problems.length ? "notice-warning" : "notice-success";
    advice.replaceChildren(...lines.map((line) => adviceLine(line, kind)));
    advice.hidden = this.name !== "dermoscopic";
  }
}

function adviceLine(text, kind) {
  const line = document.createElement("li");
  line.className = `notice ${kind}`;
  line.textContent = text;
  return line;
}

function scaledDown(bitmap) {
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// Encoding anew also leaves the place and the time that the phone wrote into the file behind.
function toJpeg(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("empty"))), "image/jpeg", JPEG_QUALITY);
  });
}

function camelCase(code) {
  return code.replace(/(^|_)(\w)/g, (_match, _bar, letter) => letter.toUpperCase());
}
