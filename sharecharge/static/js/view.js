// Which part of the world the map shows: what the address says, else the last view, else all chargers.

const START = { at: [49.8, 15.5], zoom: 7 };
const KEY = "map-view";
const ZOOM_OF_A_PLACE = 12;
// A pin with its price is up to 160 pixels wide, and its place is in its middle.
const AROUND_PINS = [90, 60];

function parse(text) {
  const [zoom, latitude, longitude] = (text ?? "").replace("#", "").split("/").map(Number);
  const sane = zoom > 0 && zoom < 20 && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  return sane ? { at: [latitude, longitude], zoom } : null;
}

function remembered() {
  try {
    return parse(localStorage.getItem(KEY));
  } catch {
    return null; // storage is forbidden: there is no last view
  }
}

export function firstView(map, { near, places }) {
  const view = parse(location.hash) ?? (near ? { at: near.split(",").map(Number), zoom: ZOOM_OF_A_PLACE } : remembered());
  if (view) map.setView(view.at, view.zoom);
  else if (places.length) map.fitBounds(places, { maxZoom: 13, padding: AROUND_PINS });
  else map.setView(START.at, START.zoom);
}

/** In the address, so that "back" and a link show the same; and for the next visit. */
export function keepView(map) {
  const { lat, lng } = map.getCenter().wrap();
  const text = `#${map.getZoom()}/${lat.toFixed(4)}/${lng.toFixed(4)}`;
  history.replaceState(null, "", `${location.pathname}${location.search}${text}`);
  try {
    localStorage.setItem(KEY, text);
  } catch {
    // Storage is forbidden or full; the address has it.
  }
}
