// The socket of a page, and how what it says gets into the page: as text, never as HTML.

// Codes after which connecting again is in vain, and the note of the page that says so.
const OVER = { 4401: "live-logged-out", 4404: "live-gone" };
const FIRST_WAIT = 500;
const LONGEST_WAIT = 20000;

/** Calls `onMessage(type, data)` for everything that the server sends below /ws/; connects again when it is lost. */
export function watch(path, onMessage, parameters = () => ({})) {
  const note = document.getElementById("live-lost");
  let wait = FIRST_WAIT;

  function connect() {
    const query = new URLSearchParams({ lang: document.body.dataset.lang, zone: document.body.dataset.zone, ...parameters() });
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/${path}/?${query}`);
    socket.addEventListener("message", (event) => {
      wait = FIRST_WAIT;
      if (note) note.hidden = true;
      const { type, data } = JSON.parse(event.data);
      if (data.now) ahead = Date.now() - Date.parse(data.now);
      onMessage(type, data);
    });
    socket.addEventListener("close", (event) => {
      if (event.code in OVER) {
        if (note) note.hidden = true;
        document.getElementById(OVER[event.code]).hidden = false;
        return;
      }
      if (note && wait > FIRST_WAIT) note.hidden = false;
      setTimeout(connect, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    });
  }
  connect();
}

// By how much the visitor's clock is ahead of the server's, as far as the server has told its own.
let ahead = 0;
// What has not happened yet when its time has come is asked for again, but not all the time.
const SOONEST = 15000;
const LONGEST = 2 ** 31 - 1; // a browser calls at once what shall wait longer

/** Calls `look` when a time that the server has told has come by its clock (null: never). Returns the timer. */
export function at(moment, look) {
  if (!moment) return undefined;
  const wait = Date.parse(moment) - (Date.now() - ahead) + 1000;
  return setTimeout(look, Math.min(Math.max(SOONEST, wait), LONGEST));
}

/** The elements below `root` that are not inside a list of their own. */
function own(root, selector) {
  const home = root.closest("[data-list]");
  const found = root.matches(selector) ? [root] : [];
  for (const element of root.querySelectorAll(selector)) {
    const from = element.matches("[data-list]") ? element.parentElement : element;
    if (from.closest("[data-list]") === home) found.push(element);
  }
  return found;
}

/** data-field: text. data-src: a picture's address. data-value: what a button sends. data-state-of: the state attribute. data-show / data-hide: visible or not. data-list: rows. */
export function fill(root, data) {
  for (const element of own(root, "[data-field]")) setText(element, data[element.dataset.field] ?? "");
  for (const element of own(root, "[data-state-of]")) element.dataset.state = data[element.dataset.stateOf] ?? "";
  for (const element of own(root, "[data-show]")) element.hidden = !has(data[element.dataset.show]);
  for (const element of own(root, "[data-hide]")) element.hidden = has(data[element.dataset.hide]);
  for (const element of own(root, "[data-href]")) element.href = data[element.dataset.href] ?? "#";
  for (const element of own(root, "[data-value]")) element.value = data[element.dataset.value] ?? "";
  for (const element of own(root, "[data-src]")) setSource(element, data[element.dataset.src]);
  for (const element of own(root, "[data-part]")) {
    if (data[element.dataset.part]) fillPart(element, data[element.dataset.part]);
  }
  for (const element of own(root, "[data-list]")) fillList(element, data[element.dataset.list] ?? []);
}

function has(value) {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function setText(element, value) {
  const text = String(value);
  if (element.textContent !== text) element.textContent = text;
}

function setSource(picture, address) {
  if (!address) picture.removeAttribute("src");
  else if (picture.getAttribute("src") !== address) picture.src = address;
}

function fillPart(element, data) {
  for (const inner of element.querySelectorAll("[data-part-field]")) setText(inner, data[inner.dataset.partField] ?? "");
  for (const inner of element.querySelectorAll("[data-part-state]")) inner.dataset.state = data[inner.dataset.partState];
}

// What each list shows, by its element.
const told = new WeakMap();

/** A list that says the same stays: its focus is kept, and a screen reader is not told it again. */
function fillList(list, rows) {
  const news = JSON.stringify(rows);
  if (told.get(list) === news) return;
  told.set(list, news);
  const template = list.querySelector(":scope > template");
  for (const child of [...list.children]) if (child !== template) child.remove();
  for (const row of rows) make(template, row, list);
}

/** A filled copy of a template's element, at the end of the list. */
export function make(template, data, list) {
  const element = template.content.firstElementChild.cloneNode(true);
  list.append(element);
  fill(element, data);
  return element;
}
