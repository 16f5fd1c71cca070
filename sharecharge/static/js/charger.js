// The owner's page of a charger: connected or not, what it was asked, who knocked, what the plugs say.
import { fill, watch } from "./live.js";

const page = document.getElementById("charger");

watch(`chargers/${page.dataset.charger}`, (type, data) => {
  fill(page, data);
  // A plug that was just discovered brings a button with it.
  const typing = document.activeElement?.closest("form");
  if (!typing && data.connectors.length !== Number(page.dataset.connectors)) location.reload();
});
