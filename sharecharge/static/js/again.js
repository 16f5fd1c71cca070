// The page without a connection: it looks again as soon as there is one.
document.getElementById("again").addEventListener("click", (event) => {
  event.preventDefault();
  location.reload();
});
addEventListener("online", () => location.reload());
