// Pins never cover each other: one that has no room for its text shows its mark only.

const GAP = 3;

function overlap(one, other) {
  return one.left < other.right + GAP && other.left < one.right + GAP
    && one.top < other.bottom + GAP && other.top < one.bottom + GAP;
}

/** The chosen pin keeps its text first, then groups, then pins from north to south. */
export function declutter(element) {
  const icons = [...element.querySelectorAll(".leaflet-marker-pane > .pin, .leaflet-marker-pane > .marker-cluster")];
  for (const icon of icons) icon.classList.remove("is-small");
  const boxes = icons.map((icon) => ({ icon, box: (icon.querySelector(".pin-body") ?? icon).getBoundingClientRect() }));
  boxes.sort((one, other) => rank(one.icon) - rank(other.icon) || one.box.top - other.box.top);
  const taken = [];
  const crowded = [];
  for (const { icon, box } of boxes) {
    if (icon.matches(".pin:not(.is-chosen)") && taken.some((other) => overlap(box, other))) crowded.push(icon);
    else taken.push(box);
  }
  for (const icon of crowded) icon.classList.add("is-small");
}

function rank(icon) {
  return icon.matches(".is-chosen") ? 0 : icon.matches(".marker-cluster") ? 1 : 2;
}
