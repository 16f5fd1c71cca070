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

/** Draws what was measured so far; `add(seconds, reading)` goes on. Shown from two points on. */
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

  function put(seconds, wh, watts) {
    if (energy.length && seconds / 60 < energy.at(-1).x) return;
    if (wh !== null) energy.push({ x: seconds / 60, y: wh / 1000 });
    if (watts !== null) power.push({ x: seconds / 60, y: watts / 1000 });
  }

  function draw() {
    panel.hidden = energy.length < 2;
    chart.update("none");
  }

  for (const [seconds, wh, watts] of points) put(seconds, wh, watts);
  draw();
  return {
    add(seconds, reading) {
      if (energy.length && reading.energy_wh / 1000 === energy.at(-1).y) return;
      put(seconds, reading.energy_wh, reading.power_w);
      draw();
    },
  };
}
