// Put a message at the field it belongs to, for eyes and for screen readers; an empty one takes it away.

export function showError(name, message) {
  if (!name) return showAboveForm(message);
  const place = document.getElementById(name);
  if (!place) return showAboveForm(message);
  let line = document.getElementById(`${name}-error`);
  place.classList.toggle("is-invalid", Boolean(message));
  if (!message) {
    line?.remove();
    place.removeAttribute("aria-invalid");
    return place;
  }
  if (!line) {
    line = Object.assign(document.createElement("p"), { className: "field-error", id: `${name}-error` });
    const field = place.closest(".field");
    if (field) field.append(line);
    else place.closest("label").after(line);
  }
  line.textContent = message;
  place.setAttribute("aria-invalid", "true");
  place.setAttribute("aria-describedby", line.id);
  return place;
}

function showAboveForm(message) {
  const notice = document.getElementById("form-error");
  notice.hidden = !message;
  notice.querySelector("span span").textContent = message ?? "";
  document.getElementById("load-again").hidden = true;
  document.getElementById("first-sent").hidden = true;
  return notice;
}
