// Do something once the page is really seen: not while a browser renders it ahead of time, nor in a tab behind another.

export function whenSeen(act) {
  if (document.prerendering) document.addEventListener("prerenderingchange", () => whenSeen(act), { once: true });
  else if (document.visibilityState === "visible") act();
  else document.addEventListener("visibilitychange", () => whenSeen(act), { once: true });
}
