// Two photos of a history: at most two are ticked, and a line between them is dragged or moved by arrow keys.

for (const form of document.querySelectorAll("form[data-pick]")) {
  const boxes = [...form.querySelectorAll("input[name=compare]")];
  const picked = boxes.filter((box) => box.checked);
  form.addEventListener("change", (event) => {
    if (!boxes.includes(event.target)) return;
    if (event.target.checked) picked.push(event.target);
    else picked.splice(picked.indexOf(event.target), 1);
    if (picked.length > 2) picked.shift().checked = false;
  });
  form.addEventListener("submit", (event) => {
    if (picked.length !== 2) event.preventDefault();
  });
  form.addEventListener("change", () => update(form, picked.length));
  update(form, picked.length);
}

function update(form, count) {
  form.querySelector(".pick-line button").disabled = count !== 2;
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
