// The map of chargers, and the list beside it that says the same.
import { fill, make, watch } from "./live.js";
import { baseMap, pinIcon } from "./tiles.js";

const START = { latitude: 49.8, longitude: 15.5, zoom: 7 };
const CLOSE_ZOOM = 14;

const element = document.getElementById("map");
const list = document.getElementById("places");
const nothing = document.getElementById("nothing");
const crowded = document.getElementById("crowded");
const template = list.querySelector("template");
const map = baseMap(element);
const cluster = L.markerClusterGroup({ showCoverageOnHover: false, maxClusterRadius: 60, disableClusteringAtZoom: 13 });
const markers = new Map(); // code → { marker, pin }
map.addLayer(cluster);

function row(code) {
  return [...list.querySelectorAll(":scope > li")].find((item) => item.dataset.code === code);
}

function show(pin) {
  const known = markers.get(pin.code);
  const marker = known?.marker ?? L.marker([pin.latitude, pin.longitude], { keyboard: true });
  marker.setLatLng([pin.latitude, pin.longitude]).setIcon(pinIcon(pin));
  marker.options.title = `${pin.name} · ${pin.state_text}`;
  if (!known) {
    marker.on("click", () => location.assign(pin.url));
    cluster.addLayer(marker);
  }
  markers.set(pin.code, { marker, pin });
  const item = row(pin.code);
  if (item) fill(item, pin);
}

function drop(code) {
  const known = markers.get(code);
  if (known) cluster.removeLayer(known.marker);
  markers.delete(code);
  row(code)?.remove();
}

/** Exactly these chargers, in this order. */
function showAll(pins) {
  const codes = new Set(pins.map((pin) => pin.code));
  for (const code of [...markers.keys()]) if (!codes.has(code)) drop(code);
  const focused = document.activeElement?.closest("#places li")?.dataset.code;
  for (const item of list.querySelectorAll(":scope > li")) item.remove();
  for (const pin of pins) {
    const item = make(template, pin, list);
    item.dataset.code = pin.code;
    show(pin);
  }
  if (focused) row(focused)?.querySelector("a").focus();
  nothing.hidden = pins.length > 0;
}

/** What is loaded: the view and a little around it. */
function bounds() {
  return map.getBounds().pad(0.1);
}

function box() {
  const loaded = bounds();
  const south = Math.max(-90, loaded.getSouth());
  const north = Math.min(90, loaded.getNorth());
  return [south, loaded.getWest(), north, loaded.getEast()].map((degrees) => degrees.toFixed(5)).join(",");
}

let asked = 0;
async function load() {
  const turn = ++asked;
  try {
    const answer = await fetch(`${element.dataset.source}?box=${box()}`);
    const { chargers, more } = await answer.json();
    if (turn !== asked) return;
    showAll(chargers);
    crowded.hidden = !more;
  } catch {
    // The socket's note says that the connection is interrupted.
  }
}

let timer;
function loadSoon() {
  clearTimeout(timer);
  timer = setTimeout(load, 250);
}
map.on("moveend", loadSoon);

const places = [...list.querySelectorAll(":scope > li")]
  .map((item) => [Number(item.dataset.latitude), Number(item.dataset.longitude)]);
if (places.length) map.fitBounds(places, { maxZoom: 13, padding: [50, 50] });
else map.setView([START.latitude, START.longitude], START.zoom);

watch("map", (type, data) => {
  if (type === "snapshot") {
    if (asked) load();
  } else if (type === "gone") drop(data.code);
  else if (markers.has(data.code)) show(data);
  else if (bounds().contains([data.latitude, data.longitude])) loadSoon();
});

const locate = document.getElementById("locate");
if (navigator.geolocation) {
  locate.hidden = false;
  locate.addEventListener("click", () => map.locate({ setView: true, maxZoom: CLOSE_ZOOM }));
}
