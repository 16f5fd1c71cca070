// A charger's public page: its plugs live, and where it is.
import { at as atTime, fill, watch } from "./live.js";
import { baseMap } from "./tiles.js";

const place = document.getElementById("place");
let opening;
watch(`places/${place.dataset.code}`, (type, data) => {
  // What may be started depends on the plug and the hours: the server says it again.
  const before = JSON.stringify(place.seen);
  const plugs = data.connectors.map((plug) => [plug.number, plug.state, plug.is_plugged_in, plug.price_per_kwh]);
  place.seen = [data.changes_at, ...plugs];
  fill(place, data);
  clearTimeout(opening);
  opening = atTime(data.changes_at, () => location.reload());
  for (const plug of data.connectors) {
    const article = place.querySelector(`[data-plug="${plug.number}"]`);
    if (article) fill(article, plug);
  }
  if (before && before !== JSON.stringify(place.seen)) location.reload();
});

const element = document.getElementById("map");
const at = [Number(element.dataset.latitude), Number(element.dataset.longitude)];
const blur = Number(element.dataset.blur);
const map = baseMap(element).setView(at, blur ? 14 : 16);
const accent = getComputedStyle(document.documentElement).getPropertyValue("--action").trim();
const style = { color: accent, fillOpacity: 0.2 };
(blur ? L.circle(at, { radius: blur, ...style }) : L.circleMarker(at, { radius: 9, ...style })).addTo(map);
