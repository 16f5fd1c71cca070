// Picks a position: click the map, drag the pin, look up the address, or type the coordinates.
// The circle is where others will see it: somewhere in it, see registry.BLUR_METRES. Unless they see the exact place.
import { baseMap } from "./tiles.js";

const START = [49.8, 15.5];
const BLUR_METRES = 400;
const element = document.getElementById("map");
const note = document.getElementById("found");
const latitude = document.getElementById(element.dataset.latitudeInput);
const longitude = document.getElementById(element.dataset.longitudeInput);
const form = latitude.form;
const map = baseMap(element);
let pin = null;
let circle = null;

function typed() {
  const at = [latitude, longitude].map((input) => Number.parseFloat(input.value.replace(",", ".")));
  return at.every(Number.isFinite) && Math.abs(at[0]) <= 90 && Math.abs(at[1]) <= 180 ? at : null;
}

function make(at) {
  const accent = getComputedStyle(document.documentElement).getPropertyValue("--action").trim();
  circle = L.circle(at, { radius: BLUR_METRES, color: accent, weight: 1, fillOpacity: 0.1, interactive: false }).addTo(map);
  const icon = L.divIcon({ className: "pick", iconSize: [36, 44], iconAnchor: [18, 42] });
  showCircle();
  // By keyboard the coordinates are typed: the pin itself takes no focus.
  pin = L.marker(at, { icon, draggable: true, keyboard: false, alt: element.dataset.pin }).addTo(map);
  pin.on("drag", () => circle.setLatLng(pin.getLatLng()));
  pin.on("dragend", () => write(pin.getLatLng().wrap()));
}

function showCircle() {
  const isExact = form.elements.is_position_public.value === "True";
  circle?.setStyle({ opacity: isExact ? 0 : 1, fillOpacity: isExact ? 0 : 0.1 });
}

function mark(at) {
  if (!pin) make(at);
  pin.setLatLng(at);
  circle.setLatLng(at);
}

function write(at) {
  latitude.value = at.lat.toFixed(6);
  longitude.value = at.lng.toFixed(6);
}

function choose(at) {
  write(L.latLng(at));
  mark(at);
  map.setView(at, Math.max(map.getZoom(), 17));
}

function tell(text) {
  note.textContent = text;
  note.hidden = !text;
}

async function find(button) {
  const text = ["street", "house_number", "postal_code", "city"].map((name) => form.elements[name]?.value.trim()).filter(Boolean).join(" ");
  if (!text) return form.elements.city?.focus();
  const answer = await fetch(`${button.dataset.find}?q=${encodeURIComponent(text)}`).then((reply) => reply.json()).catch(() => ({}));
  const [place] = answer.places ?? [];
  tell(place ? "" : answer.error ?? note.dataset.lost);
  if (place) choose([place.latitude, place.longitude]);
}

function locate() {
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => { tell(""); choose([coords.latitude, coords.longitude]); },
    () => tell(note.dataset.unknown),
    { enableHighAccuracy: true, timeout: 10000 },
  );
}

map.on("click", ({ latlng }) => {
  write(latlng.wrap());
  mark(latlng.wrap());
});

for (const input of [latitude, longitude]) {
  input.addEventListener("change", () => {
    const at = typed();
    if (at) { mark(at); map.setView(at, Math.max(map.getZoom(), 14)); }
  });
}

for (const button of form.querySelectorAll("[data-find], [data-locate]")) {
  button.hidden = Boolean(button.dataset.locate !== undefined && !navigator.geolocation);
  button.addEventListener("click", () => (button.dataset.find ? find(button) : locate()));
}

for (const choice of form.elements.is_position_public) choice.addEventListener("change", showCircle);

const at = typed();
map.setView(at ?? START, at ? 15 : 7);
if (at) mark(at);

// Inside a closed <details> the map has no size yet.
element.closest("details")?.addEventListener("toggle", () => map.invalidateSize());
