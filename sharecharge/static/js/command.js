// A start on its way: requested → accepted → car connected → energy flows, then the session's own page.
import { fill, watch } from "./live.js";

const page = document.getElementById("command");
const clock = document.getElementById("seconds-left");
let left = null;
let over = false;
let isLeaving = false;

watch(`commands/${page.dataset.command}`, (type, data) => {
  fill(page, data);
  left = data.seconds_left;
  over = data.is_over;
  if (data.session_url && !isLeaving) {
    isLeaving = true; // every further message would begin the way anew
    location.assign(data.session_url);
  }
});

setInterval(() => {
  if (over || !left) return;
  left -= 1;
  clock.textContent = left;
  // The server says what is true when the time is over.
  if (left === 0) setTimeout(() => location.reload(), 1500);
}, 1000);
