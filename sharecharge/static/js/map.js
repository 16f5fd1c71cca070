// The map of chargers, and the list beside it that says the same.
import { filters, isFiltered, watchFilters } from "./filters.js";
import { at, fill, make, watch } from "./live.js";
import { declutter } from "./declutter.js";
import { watchSearch } from "./search.js";
import { baseMap, pinIcon } from "./tiles.js";
import { firstView, keepView } from "./view.js";

const CLOSE_ZOOM = 13;

const element = document.getElementById("map");
const list = document.getElementById("places");
const nothing = document.getElementById("nothing");
const fault = document.getElementById("filter-fault");
const crowded = document.getElementById("crowded");
const card = document.getElementById("chosen");
const template = list.querySelector("template");
const map = baseMap(element);
const cluster = L.markerClusterGroup({ showCoverageOnHover: false, maxClusterRadius: 70, animate: false });
const markers = new Map(); // code → { marker, pin }
let near = element.dataset.near ?? null; // "latitude,longitude" that distances count from
let chosen = null; // code
map.addLayer(cluster);

function row(code) {
  return [...list.querySelectorAll(":scope > li")].find((item) => item.dataset.code === code);
}

function name(marker, pin) {
  marker.getElement()?.setAttribute("aria-label", `${pin.name}: ${pin.state_text}, ${pin.pin_text}`);
}

function show(pin) {
  const known = markers.get(pin.code);
  const marker = known?.marker ?? L.marker([pin.latitude, pin.longitude], { keyboard: true });
  marker.setLatLng([pin.latitude, pin.longitude]).setIcon(pinIcon(pin, pin.code === chosen));
  if (!known) {
    marker.on("click", () => choose(pin.code));
    marker.on("keydown", ({ originalEvent }) => {
      if (originalEvent.key !== "Enter" && originalEvent.key !== " ") return;
      originalEvent.preventDefault();
      choose(pin.code);
    });
    marker.on("add", () => name(marker, markers.get(pin.code)?.pin ?? pin));
    cluster.addLayer(marker);
  }
  markers.set(pin.code, { marker, pin });
  name(marker, pin);
  const item = row(pin.code);
  if (item) fill(item, pin);
  if (pin.code === chosen) fillCard(pin);
}

function drop(code) {
  const known = markers.get(code);
  if (known) cluster.removeLayer(known.marker);
  markers.delete(code);
  row(code)?.remove();
  if (code === chosen) choose(null);
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
  tidySoon();
  followHours();
}

let opening;
let hiddenChangesAt = null; // of a charger that a filter hides
/** Nobody tells that a charger opens or closes by its hours: the first time is known, and then all are asked for. */
function followHours() {
  const times = [hiddenChangesAt, ...[...markers.values()].map(({ pin }) => pin.changes_at)].filter(Boolean);
  clearTimeout(opening);
  opening = at(times.sort((one, other) => Date.parse(one) - Date.parse(other))[0], load);
}

// ---------------------------------------------------------------- the charger that was chosen on the map

/** In place where it is shown already: whoever stands on its link with the keyboard stays there. */
function fillCard(pin) {
  const place = card.querySelector("ul");
  const shown = place.querySelector("li");
  if (shown?.dataset.code === pin.code) return fill(shown, pin);
  place.replaceChildren();
  make(template, pin, place).dataset.code = pin.code;
}

function choose(code) {
  const before = chosen;
  chosen = code;
  for (const each of [before, code]) {
    const known = markers.get(each);
    if (known) show(known.pin);
  }
  card.hidden = code === null;
  if (code) card.querySelector("a").focus();
  else if (before) markers.get(before)?.marker.getElement()?.focus();
  tidySoon();
}

document.getElementById("unchoose").addEventListener("click", () => choose(null));
card.addEventListener("keydown", (event) => { if (event.key === "Escape") choose(null); });
map.on("click", () => { if (chosen) choose(null); });
for (const kind of ["mouseover", "focusin"]) {
  list.addEventListener(kind, (event) => light(event.target.closest("li")?.dataset.code));
}
function light(code) {
  for (const [each, { marker }] of markers) marker.getElement()?.classList.toggle("is-lit", each === code);
}

// ---------------------------------------------------------------- loading

/** What is loaded: the view and a little around it. */
function bounds() {
  return map.getBounds().pad(0.1);
}

function question() {
  const loaded = bounds();
  const south = Math.max(-90, loaded.getSouth());
  const north = Math.min(90, loaded.getNorth());
  const asked = filters();
  asked.set("box", [south, loaded.getWest(), north, loaded.getEast()].map((degrees) => degrees.toFixed(5)).join(","));
  if (near) asked.set("near", near);
  return asked;
}

let asked = 0;
async function load() {
  const turn = ++asked;
  try {
    const answer = await fetch(`${element.dataset.source}?${question()}`);
    if (!answer.ok || turn !== asked) return;
    const told = await answer.json();
    if (turn !== asked) return;
    hiddenChangesAt = told.changes_at;
    showAll(told.chargers);
    crowded.hidden = !told.more;
    fault.textContent = told.fault; // of a filter that is left out
    fault.hidden = !told.fault;
  } catch {
    // The socket's note says that the connection is interrupted.
  }
}

let timer;
function loadSoon() {
  clearTimeout(timer);
  timer = setTimeout(load, 250);
}

let tidying;
function tidySoon() {
  cancelAnimationFrame(tidying);
  tidying = requestAnimationFrame(() => declutter(element));
}
cluster.on("animationend spiderfied unspiderfied", tidySoon);
map.on("moveend", () => { keepView(map); loadSoon(); });
map.on("zoomend viewreset", tidySoon);

const places = [...list.querySelectorAll(":scope > li")]
  .map((item) => [Number(item.dataset.latitude), Number(item.dataset.longitude)]);
const isAddressed = Boolean(location.hash || near); // before the map writes its view there
firstView(map, { near, places });

watchFilters(load);
watchSearch((place) => {
  near = `${place.latitude.toFixed(5)},${place.longitude.toFixed(5)}`;
  map.setView([place.latitude, place.longitude], CLOSE_ZOOM);
  loadSoon();
});

watch("map", (type, data) => {
  if (type === "snapshot") {
    if (asked) load();
  } else if (type === "gone") drop(data.code);
  else if (isFiltered()) loadSoon(); // whether it still fits is for the server to say
  else if (markers.has(data.code)) {
    show({ ...markers.get(data.code).pin, ...told(data) });
    tidySoon();
    followHours();
  }
  else if (bounds().contains([data.latitude, data.longitude])) loadSoon();
});

/** News come without the distance, which is known already. */
function told(pin) {
  const { distance_m: metres, distance_text: text, ...news } = pin;
  return metres === null ? news : pin;
}

// ---------------------------------------------------------------- my position, and the sheet of the phone

const locate = document.getElementById("locate");
const here = L.marker([0, 0], { icon: L.divIcon({ className: "here", iconSize: [18, 18] }), interactive: false, keyboard: false, alt: element.dataset.here });
function findMe() {
  map.locate({ setView: true, maxZoom: CLOSE_ZOOM });
}
map.on("locationfound", ({ latlng }) => {
  near = `${latlng.lat.toFixed(4)},${latlng.lng.toFixed(4)}`;
  here.setLatLng(latlng).addTo(map);
  loadSoon();
});
if (navigator.geolocation) {
  locate.hidden = false;
  locate.addEventListener("click", findMe);
  // Without a question: only where it was allowed before, and no other view is asked for.
  navigator.permissions?.query({ name: "geolocation" })
    .then(({ state }) => { if (state === "granted" && !isAddressed) findMe(); })
    .catch(() => {});
}

document.getElementById("grip").addEventListener("click", () => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scrollTo({ top: scrollY > 60 ? 0 : innerHeight, behavior: calm ? "auto" : "smooth" });
});
