// Waits for a card to be read, and counts down; how it ends is shown by the server.
import { watch } from "./live.js";

const clock = document.getElementById("seconds-left");
let left = Number(clock.textContent);

watch("claim", (type, data) => {
  left = data.seconds_left;
  if (data.state !== "waiting") location.reload();
});

setInterval(() => {
  if (left <= 0) return;
  left -= 1;
  clock.textContent = left;
  if (left === 0) setTimeout(() => location.reload(), 1500);
}, 1000);
