// Picks a position by clicking the map; the two fields can be typed into as well.
import { baseMap } from "./tiles.js";

const START = [49.8, 15.5];
const element = document.getElementById("map");
const latitude = document.getElementById(element.dataset.latitudeInput);
const longitude = document.getElementById(element.dataset.longitudeInput);
const map = baseMap(element);
let marker = null;

function typed() {
  const at = [latitude, longitude].map((input) => Number.parseFloat(input.value.replace(",", ".")));
  return at.every(Number.isFinite) && Math.abs(at[0]) <= 90 && Math.abs(at[1]) <= 180 ? at : null;
}

function mark(at) {
  marker ??= L.circleMarker(at, { radius: 10, color: getComputedStyle(document.documentElement).getPropertyValue("--action").trim(), fillOpacity: 0.5 }).addTo(map);
  marker.setLatLng(at);
}

map.on("click", ({ latlng }) => {
  const at = latlng.wrap();
  latitude.value = at.lat.toFixed(6);
  longitude.value = at.lng.toFixed(6);
  mark(at);
});

for (const input of [latitude, longitude]) {
  input.addEventListener("change", () => {
    const at = typed();
    if (at) { mark(at); map.setView(at, Math.max(map.getZoom(), 14)); }
  });
}

const at = typed();
map.setView(at ?? START, at ? 15 : 7);
if (at) mark(at);

// Inside a closed <details> the map has no size yet.
element.closest("details")?.addEventListener("toggle", () => map.invalidateSize());
