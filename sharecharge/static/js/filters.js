// What the visitor looks for: the form, the address that keeps it, and the question to the server say the same.

const form = document.getElementById("filters");
const count = document.getElementById("more-count");
const FOLDED = ["connector", "current", "power", "price"];

/** The filters that say something, as parts of an address. */
export function filters() {
  const wishes = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) wishes.set(name, value);
  return wishes;
}

export function isFiltered() {
  return filters().size > 0;
}

/** Calls `onChange` after each change; the page is not loaded again. */
export function watchFilters(onChange) {
  function changed() {
    const wishes = filters();
    const more = FOLDED.filter((name) => wishes.has(name)).length;
    count.textContent = more ? ` · ${more}` : "";
    count.parentElement.classList.toggle("is-on", more > 0);
    history.replaceState(null, "", `${wishes.size ? `?${wishes}` : location.pathname}${location.hash}`);
    onChange();
  }
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.querySelector("details").open = false;
    changed();
    delete form.dataset.sent;
  });
}
