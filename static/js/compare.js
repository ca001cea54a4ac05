// Two photos of a history: at most two are ticked, and a line between them is dragged or moved by arrow keys.

for (const form of document.querySelectorAll("form[data-pick]")) {
  const boxes = [...form.querySelectorAll("input[name=compare]")];
  let picked = []; // in the order of picking: a third one takes the place of the first
  const update = () => {
    const ticked = boxes.filter((box) => box.checked);
    picked = [...picked.filter((box) => box.checked), ...ticked.filter((box) => !picked.includes(box))];
    while (picked.length > 2) picked.shift().checked = false;
    form.querySelector(".pick-line button").disabled = picked.length !== 2;
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => {
    if (picked.length !== 2) event.preventDefault();
  });
  window.addEventListener("pageshow", update); // by then a browser that goes back has restored the ticks
  update();
}

for (const section of document.querySelectorAll(".compare")) {
  const swipe = section.querySelector("[data-swipe]");
  const [earlier, later] = section.querySelectorAll(".pair img");
  const over = swipe.querySelector("[data-over]");
  const handle = swipe.querySelector("[data-handle]");
  const position = swipe.querySelector("[data-position]");
  const under = swipe.querySelector("[data-under]");
  under.src = later.src;
  over.src = earlier.src;
  const draw = () => {
    over.style.clipPath = `inset(0 ${100 - position.value}% 0 0)`;
    handle.style.insetInlineStart = `${position.value}%`;
  };
  position.addEventListener("input", draw);
  draw();
  swipe.hidden = false;
}
