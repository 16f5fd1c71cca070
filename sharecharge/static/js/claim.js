// Waits for a card to be read, and counts down; how it ends is shown by the server.
import { countdown } from "./countdown.js";
import { watch } from "./live.js";

const clock = document.getElementById("seconds-left");
const setLeft = countdown(clock);
setLeft(Number(clock.textContent));

watch("claim", (type, data) => {
  setLeft(data.seconds_left);
  if (data.state !== "waiting") location.reload();
});
