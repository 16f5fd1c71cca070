// A session's page: live numbers and a chart while it runs; its end is shown by the server as a receipt.
import { courseChart } from "./course.js";
import { fill, watch } from "./live.js";

const page = document.getElementById("session");
const clock = document.getElementById("duration");
const NO_BREAK = "\u00a0";
const chart = await courseChart(document.getElementById("chart"), document.getElementById("course-panel"));
let seconds = Number(clock.dataset.seconds);
let running = page.dataset.running === "yes";

watch(`sessions/${page.dataset.session}`, (type, data) => {
  fill(page, data);
  seconds = data.seconds;
  if (data.point) chart.add(data.point);
  const moved = data.state !== page.dataset.phase && !(running && data.is_running);
  running = data.is_running;
  if (moved) location.reload();
});

// As units.duration does it on the server.
function duration(total) {
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  if (hours) return `${hours}${NO_BREAK}h ${minutes}${NO_BREAK}min`;
  return minutes ? `${minutes}${NO_BREAK}min ${total % 60}${NO_BREAK}s` : `${total % 60}${NO_BREAK}s`;
}

setInterval(() => {
  if (!running) return;
  seconds += 1;
  clock.textContent = duration(seconds);
}, 1000);
