// A tap on the body map chooses the place; the list beside it does the same for the keyboard.

const FINGER_PX = 22; // half of the smallest target a thumb hits reliably

export function connectBodyMap(root, fields, changed) {
  const maps = [...root.querySelectorAll(".body-map")];
  root.hidden = false;
  repaint();

  for (const button of root.querySelectorAll("[data-show-view]")) {
    button.addEventListener("click", () => showView(button.dataset.showView));
  }
  for (const map of maps) {
    map.addEventListener("click", (event) => {
      const region = regionNear(map, event.clientX, event.clientY);
      if (region) choose(map, region.dataset.site, event);
    });
  }
  fields.site.addEventListener("change", () => {
    for (const field of [fields.view, fields.x, fields.y]) field.value = "";
    const shown = maps.find((map) => map.classList.contains("is-shown"));
    const holding = maps.filter((map) => regionsOf(map, fields.site.value).length);
    if (holding.length && !holding.includes(shown)) showView(holding[0].dataset.view);
    paint();
    changed();
  });

  function choose(map, site, event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const { width, height } = map.viewBox.baseVal;
    fields.site.value = site;
    fields.view.value = map.dataset.view;
    fields.x.value = share(point.x / width);
    fields.y.value = share(point.y / height);
    paint();
    changed();
  }

  function paint() {
    for (const map of maps) {
      const isHere = fields.view.value === map.dataset.view;
      for (const region of map.querySelectorAll(".region")) {
        const isChosen = region.dataset.site === fields.site.value && (isHere || !fields.view.value);
        region.classList.toggle("is-chosen", isChosen);
      }
      const marker = map.querySelector(".body-marker");
      const { width, height } = map.viewBox.baseVal;
      marker.setAttribute("visibility", isHere && fields.x.value ? "visible" : "hidden");
      marker.setAttribute("transform", `translate(${fields.x.value * width} ${fields.y.value * height})`);
    }
  }

  function repaint() {
    showView(fields.view.value || "front");
    paint();
  }

  function showView(view) {
    for (const map of maps) map.classList.toggle("is-shown", map.dataset.view === view);
    for (const button of root.querySelectorAll("[data-show-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.showView === view));
    }
  }

  return { repaint };
}

function regionsOf(map, site) {
  return [...map.querySelectorAll(".region")].filter((region) => region.dataset.site === site);
}

// The region under the finger, or else the first one met on growing rings around it.
function regionNear(map, x, y) {
  for (let radius = 0; radius <= FINGER_PX; radius += 4) {
    for (let step = 0; step < (radius ? 12 : 1); step += 1) {
      const angle = (step / 12) * 2 * Math.PI;
      const hit = document.elementFromPoint(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
      const region = hit?.closest(".region");
      if (region && map.contains(region)) return region;
    }
  }
  return null;
}

function share(value) {
  return Math.min(1, Math.max(0, value)).toFixed(4);
}
