{% load static %}// Shows a page of ours instead of the browser's when there is no connection. Nothing else is kept: what pages tell
// about chargers and money must be true now.
const STORE = "offline-{{ edition }}";
const PAGE = "{% url 'offline' %}";
const FILES = [PAGE, "{% static 'vendor/bootstrap/bootstrap.min.css' %}", "{% static 'css/app.css' %}", "{% static 'img/mark.svg' %}", "{% static 'js/theme.js' %}", "{% static 'js/again.js' %}"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))));
  self.skipWaiting();
});

// Older editions are not needed any more.
async function forget() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== STORE).map((name) => caches.delete(name)));
}

addEventListener("activate", (event) => event.waitUntil(forget().then(() => clients.claim())));

addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") {
    event.respondWith(fetch(event.request).catch(() => caches.match(PAGE)));
  } else if (FILES.some((file) => event.request.url === new URL(file, location).href)) {
    event.respondWith(fetch(event.request).catch(() => caches.match(event.request)));
  }
});
