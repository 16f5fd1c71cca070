// The page without a connection: it looks again as soon as there is one. That the network is back says little: the
// first packets may still be lost, so it goes on looking until the server answers.
document.getElementById("again").addEventListener("click", (event) => {
  event.preventDefault();
  location.reload();
});

async function look() {
  const answered = await fetch("/healthz", { cache: "no-store" }).then((response) => response.ok, () => false);
  if (answered) location.reload();
}

addEventListener("online", look);
setInterval(look, 3000);
