// The chart of a session: energy as an area, power as a line, over minutes. The table below it says the same.

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(canvas) {
  const lines = { color: colour("--line") };
  const ticks = { color: colour("--quiet") };
  const title = (text) => ({ display: true, text, color: colour("--quiet") });
  const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
  const axis = (text, position, grid) => ({ position, beginAtZero: true, title: title(text), grid, ticks: { ...ticks, callback: (value) => numbers.format(value) } });
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    plugins: { legend: { labels: { color: colour("--ink"), usePointStyle: true } } },
    scales: {
      x: { type: "linear", grid: { display: false }, ticks: { ...ticks, callback: (value) => `${numbers.format(value)} ${canvas.dataset.minutes}` } },
      energy: axis(canvas.dataset.energy, "left", lines),
      power: axis(canvas.dataset.power, "right", { display: false }),
    },
  };
}

/** Draws what was measured so far; `add(point)` goes on with later ones. Shown from two points on. */
export async function courseChart(canvas, panel) {
  const points = await fetch(canvas.dataset.source)
    .then((answer) => (answer.ok ? answer.json() : { points: [] }))
    .then((data) => data.points)
    .catch(() => []);
  const energy = [];
  const power = [];
  const chart = new Chart(canvas, {
    type: "line",
    options: options(canvas),
    data: {
      datasets: [
        { label: canvas.dataset.energy, data: energy, yAxisID: "energy", fill: true, borderColor: colour("--accent"), backgroundColor: colour("--accent-soft"), pointRadius: 0, pointStyle: "rect", borderWidth: 2.5 },
        { label: canvas.dataset.power, data: power, yAxisID: "power", borderColor: colour("--busy"), borderDash: [6, 4], pointRadius: 0, pointStyle: "line", borderWidth: 2, spanGaps: true },
      ],
    },
  });

  let latest = [0];

  function put(point) {
    const [seconds, wh, watts] = point;
    if (seconds < latest[0] || String(point) === String(latest)) return; // told again
    latest = point;
    if (wh !== null) energy.push({ x: seconds / 60, y: wh / 1000 });
    if (watts !== null) power.push({ x: seconds / 60, y: watts / 1000 });
  }

  function draw() {
    panel.hidden = energy.length < 2;
    chart.update("none");
  }

  points.forEach(put);
  draw();
  return {
    add(point) {
      put(point);
      draw();
    },
  };
}
