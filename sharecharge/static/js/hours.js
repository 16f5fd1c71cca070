// The weekly hours: one day's choice for all days. Everything else works without a script.
const days = [...document.querySelectorAll(".hours .day")];
const [first, ...others] = days;
const button = first.querySelector("[data-copy-day]");
const inputs = (day) => [...day.querySelectorAll("select, input")];

button.hidden = false;
button.addEventListener("click", () => {
  const [folded] = first.getElementsByTagName("details");
  for (const day of others) {
    inputs(day).forEach((input, index) => { input.value = inputs(first)[index].value; });
    day.querySelector("details").open = folded.open;
  }
});
