// The owner's page of a charger: connected or not, who knocked, what the plugs say.
import { fill, watch } from "./live.js";

const page = document.getElementById("charger");
const secret = document.getElementById("password");

watch(`chargers/${page.dataset.charger}`, (type, data) => {
  fill(page, data);
  // A plug that was just discovered brings a form with it. A password that is still shown must not vanish.
  const typing = document.activeElement?.closest("form");
  if (!secret && !typing && data.connectors.length !== Number(page.dataset.connectors)) location.reload();
});
