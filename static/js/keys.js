// Single keys that act on a page. They rest while somebody types, and can be switched off on this device.

// A cookie: logging out empties the browser's storage, and who switched the keys off needs them off.
const SWITCH = "keys-off=yes";
const YEAR_SECONDS = 31_536_000;
const TYPING = "textarea, select, [contenteditable], input:not([type=radio]):not([type=checkbox]):not([type=range])";

const dialog = document.getElementById("keys"); // where the switch is; not every page has it

const isOn = () => !document.cookie.split("; ").includes(SWITCH);

export const hasSwitch = Boolean(dialog);

export function isForKeys(event) {
  return isOn() && !dialog?.open && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches(TYPING);
}

export function bindKeys(actions) {
  const show = () => dialog.showModal();

  for (const button of document.querySelectorAll("[data-open-keys]")) {
    button.hidden = false;
    button.addEventListener("click", show);
  }
  const toggle = dialog.querySelector("[data-keys-on]");
  toggle.checked = isOn();
  toggle.addEventListener("change", () => {
    document.cookie = `${SWITCH}; path=/; samesite=lax; max-age=${toggle.checked ? 0 : YEAR_SECONDS}`;
  });

  document.addEventListener("keydown", (event) => {
    if (!isForKeys(event)) return;
    const act = event.key === "?" ? show : actions[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
