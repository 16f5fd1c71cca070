// On every page: the browser's time zone, copy, share and print buttons, the switch of the language, forms that are sent once, and the worker for pages without a connection.

// From the next page on times are told in it, see accounts/zones.py.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const secure = location.protocol === "https:" ? "; secure" : "";
if (timeZone) document.cookie = `zone=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;

/** Puts a text into the clipboard. False: there is no permission, or no HTTPS. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// What buttons say for a moment, and what they said before; a second press only makes the moment longer.
const said = new Map();

function say(element, text, milliseconds) {
  const before = said.get(element) ?? { text: element.textContent };
  clearTimeout(before.timer);
  element.textContent = text;
  before.timer = setTimeout(() => { element.textContent = before.text; said.delete(element); }, milliseconds);
  said.set(element, before);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  if (await copied(source.textContent.trim())) say(button.firstChild, button.dataset.copied, 2000); // not the hidden words behind it
  else getSelection().selectAllChildren(source); // so that Ctrl-C is enough
}

/** With the phone's own menu; elsewhere the address is copied, or shown to be copied. */
async function share(button) {
  const data = { title: document.title, url: button.dataset.share };
  if (navigator.share) {
    await navigator.share(data).catch(() => {}); // closing the menu is no error
    return;
  }
  if (await copied(data.url)) say(button.lastElementChild, button.dataset.copied, 4000);
  else getSelection().selectAllChildren(shown(data.url, button));
}

/** The text beside its button, where it can be marked. */
function shown(text, button) {
  const known = button.nextElementSibling;
  if (known?.matches("code")) return known;
  const code = document.createElement("code");
  code.textContent = text;
  button.after(code);
  return code;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-share], [data-print], [data-fill]");
  if (!button) return;
  if (button.dataset.copy) copy(button);
  else if (button.dataset.share) share(button);
  else if (button.dataset.fill) document.getElementById(button.dataset.fill).value = button.value;
  else print();
});

for (const button of document.querySelectorAll("button[hidden][data-share], button[hidden][data-print], button[hidden][data-fill]")) {
  button.hidden = false;
}

navigator.serviceWorker?.register(document.body.dataset.worker).catch(() => {}); // without it everything else works

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

// Another language shows the same page, also where its filters have changed since it was loaded.
for (const form of document.querySelectorAll("form.languages")) {
  form.addEventListener("submit", () => { form.elements.next.value = location.pathname + location.search + location.hash; });
}

// The browser's "back" shows the page as it was left.
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// An answer that shows a secret once must not be sent for again by a reload.
const settled = document.querySelector("[data-address]");
if (settled) history.replaceState(null, "", settled.dataset.address);
