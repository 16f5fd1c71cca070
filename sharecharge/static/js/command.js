// A start on its way: requested → accepted → car connected → energy flows, then the session's own page.
import { countdown } from "./countdown.js";
import { fill, watch } from "./live.js";

const page = document.getElementById("command");
const setLeft = countdown(document.getElementById("seconds-left"));
let isLeaving = false;

watch(`commands/${page.dataset.command}`, (type, data) => {
  fill(page, data);
  setLeft(data.is_over ? null : data.seconds_left);
  if (data.session_url && !isLeaving) {
    isLeaving = true; // every further message would begin the way anew
    location.assign(data.session_url);
  }
});
