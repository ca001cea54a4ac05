// A list left open says when there is news, and whoever comes back to it does not find it old.

const MINUTE_MS = 60_000;

const madeAt = Date.now();
const news = document.querySelector("[data-news]");

async function ask() {
  if (document.hidden) return;
  try {
    const response = await fetch(news.dataset.news, { headers: { Accept: "application/json" } });
    if (response.status === 401) {
      clearInterval(asking);
      return;
    }
    const { latest } = await response.json();
    if (latest <= news.dataset.latest) return; // times of one zone: their text sorts as they do
    // Nothing moves under the reader's hands: they ask for the new list themselves.
    news.querySelector(".notice").hidden = false;
    clearInterval(asking);
  } catch {
    // No network: the next minute may have one.
  }
}

const asking = news && setInterval(ask, MINUTE_MS);

function isInUse() {
  const search = document.querySelector("main input[type=search]");
  const isTyped = search && (search === document.activeElement || search.value !== search.defaultValue);
  return isTyped || document.querySelector("main :is(dialog, details)[open]");
}

function showAnew() {
  if (navigator.onLine) location.reload(); // without a network an old list is more than none
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) showAnew();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - madeAt > MINUTE_MS && !isInUse()) showAnew();
});
