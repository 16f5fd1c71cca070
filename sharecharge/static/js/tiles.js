// What all our maps have in common: the tiles of the settings, our pins, and a life without tiles.

export function baseMap(element) {
  const map = L.map(element, { zoomControl: false, worldCopyJump: true });
  L.control.zoom({ zoomInTitle: element.dataset.zoomIn, zoomOutTitle: element.dataset.zoomOut }).addTo(map);
  map.attributionControl.setPrefix(false);
  const tiles = L.tileLayer(element.dataset.tiles, { maxZoom: 19, attribution: escapeText(element.dataset.attribution) });
  const note = document.getElementById("tiles-lost");
  tiles.on("tileerror", () => { if (note) note.hidden = false; });
  tiles.on("tileload", () => { if (note) note.hidden = true; });
  tiles.addTo(map);
  return map;
}

function escapeText(text) {
  const holder = document.createElement("span");
  holder.textContent = text;
  return holder.innerHTML;
}

/** Shape and colour say the state; power and price stand beside it. */
export function pinIcon(pin, isChosen = false) {
  const body = document.createElement("span");
  body.className = "pin-body";
  body.dataset.state = pin.state;
  const mark = document.createElement("span");
  mark.className = "pin-mark";
  const text = document.createElement("span");
  text.className = "pin-text";
  text.textContent = pin.pin_text;
  body.append(mark, text);
  return L.divIcon({ html: body, className: isChosen ? "pin is-chosen" : "pin", iconSize: null });
}
