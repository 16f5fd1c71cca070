// The wizard: what the wallbox does is shown at once; nothing that is typed or shown once gets lost.
import { countdown } from "./countdown.js";
import { fill, watch } from "./live.js";

const page = document.getElementById("charger");
const plugs = document.getElementById("plug-count");
const clock = document.getElementById("seconds-left");
const setLeft = clock ? countdown(clock) : () => {};

if (page.querySelector("[data-list], [data-field]") || plugs) {
  watch(`chargers/${page.dataset.charger}`, (type, data) => {
    fill(page, data);
    setLeft(data.failure_text ? null : data.seconds_left);
    // A plug that was just discovered brings a form with it.
    const typing = document.activeElement?.closest("form.panel");
    if (plugs && !typing && data.connectors.length !== Number(plugs.dataset.connectors)) location.reload();
  });
}

// The list of models gets shorter while one types; without a script the button does it.
const query = document.querySelector("[data-filter]");
query?.addEventListener("input", () => {
  const words = query.value.toLowerCase().split(/\s+/);
  for (const row of document.querySelectorAll(`#${query.dataset.filter} > li:not(.always)`)) {
    row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  }
});
