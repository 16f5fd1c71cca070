// An owner's first view, live.
import { fill, watch } from "./live.js";

const page = document.getElementById("dashboard");
watch("dashboard", (type, data) => fill(page, data));
