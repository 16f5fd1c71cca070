// Search by place. The server asks for us, and may say that it has no answer now.

/** Calls `onPlace({ name, latitude, longitude })` with the place that was chosen. */
export function watchSearch(onPlace) {
  const form = document.getElementById("search");
  if (!form) return;
  const list = document.getElementById("found");
  const failure = document.getElementById("search-failure");

  function choose(place) {
    list.hidden = true;
    form.q.value = place.name.split(",")[0];
    onPlace(place);
  }

  function offer(places) {
    list.replaceChildren();
    for (const place of places) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = place.name;
      button.addEventListener("click", () => choose(place));
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
    }
    list.hidden = places.length === 0;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failure.hidden = true;
    try {
      const answer = await fetch(`${form.dataset.source}?q=${encodeURIComponent(form.q.value)}`);
      const { places, error } = await answer.json();
      if (error) throw new Error(error);
      if (places.length === 1) choose(places[0]);
      else offer(places);
      if (!places.length) throw new Error(form.dataset.nothing);
    } catch (error) {
      failure.textContent = error.message;
      failure.hidden = false;
    } finally {
      delete form.dataset.sent;
    }
  });
}
