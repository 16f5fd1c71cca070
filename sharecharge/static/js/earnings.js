// The months of an owner as columns. The table below says the same, and is where the numbers come from.

const canvas = document.getElementById("months-chart");
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
const rows = [...document.querySelectorAll("[data-income]")].reverse();

new Chart(canvas, {
  type: "bar",
  data: {
    labels: rows.map((row) => row.dataset.month),
    datasets: [{ label: canvas.dataset.label, data: rows.map((row) => Number(row.dataset.income)), backgroundColor: colour("--accent"), borderRadius: 6, maxBarThickness: 48 }],
  },
  options: {
    animation: false,
    maintainAspectRatio: false,
    plugins: { legend: { labels: { color: colour("--ink") } }, tooltip: { callbacks: { label: (point) => numbers.format(point.parsed.y) } } },
    scales: {
      x: { grid: { display: false }, ticks: { color: colour("--quiet") } },
      y: { beginAtZero: true, grid: { color: colour("--line") }, ticks: { color: colour("--quiet"), callback: (value) => numbers.format(value) } },
    },
  },
});
