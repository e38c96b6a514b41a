// Draws the page's figures, in the colours of the page, and again when those change.
"use strict";

const page = JSON.parse(document.getElementById("data").textContent);
const narrow = window.matchMedia("(max-width: 560px)");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const options = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function layout(own) {
  const axis = (given) => ({
    gridcolor: colour("--grid"), linecolor: colour("--rule"), zerolinecolor: colour("--soft"),
    automargin: true, fixedrange: narrow.matches, ...given,
  });
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13 },
    margin: { l: 50, r: 12, t: 10, b: 40 }, hovermode: "x unified",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--rule"), font: { color: colour("--ink") } },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    ...own,
  };
  whole.xaxis = axis(own.xaxis || {});
  for (const name of ["yaxis", "yaxis2"]) if (name === "yaxis" || own[name]) whole[name] = axis(own[name] || {});
  return whole;
}

function traces(figure) {
  return figure.data.map((trace) => {
    const drawn = { ...trace };
    if (typeof trace.x === "string") drawn.x = figure.shared[trace.x];
    if (trace.type === "sankey") drawn.textfont = { color: colour("--ink"), size: narrow.matches ? 11 : 13 };
    return drawn;
  });
}

function draw(place) {
  const figure = page.figures[place];
  Plotly.react(`plot-${place}`, traces(figure), layout(figure.layout), options);
}

// ---------------------------------------------------------------- supply and demand

function staircase(steps) {
  const x = [0], y = [];
  let reached = 0;
  for (let place = 0; place < steps.length; place += 2) {
    reached += steps[place + 1];
    x.push(reached / 1000);
    y.push(steps[place] / 1e6);
  }
  if (y.length) y.push(y[y.length - 1]);
  return y.length ? { x, y } : { x: [], y: [] };
}

function chooser(place) {
  const books = page.books[place];
  const box = document.getElementById(`chooser-${place}`);
  if (!box) return;
  const range = box.querySelector("input"), shown = box.querySelector("output");
  const show = () => {
    const book = books.slots[Number(range.value)];
    shown.textContent = book.time;
    const bought = [];
    for (let step = 0; step < book.traded.length; step += 2) bought.push(book.traded[step], book.traded[step + 1]);
    const volume = bought.filter((_, step) => step % 2).reduce((sum, energy) => sum + energy, 0);
    const line = (name, steps, tint, dash, width) => ({
      type: "scatter", mode: "lines", name, ...staircase(steps), line: { shape: "hv", color: tint, dash, width },
    });
    const drawn = [
      line("demand", book.demand, "#e76f51", "solid", 2),
      line("supply", book.supply, "#2a9d8f", "solid", 2),
      line("price paid", bought, "#9478bd", "dot", 2),
    ];
    const note = volume ? `${(volume / 1000).toLocaleString(undefined, { maximumFractionDigits: 3 })} kWh contracted`
                        : "nothing contracted";
    box.querySelector("small").textContent = note;
    Plotly.react(`depth-${place}`, drawn, layout({
      hovermode: "closest", xaxis: { title: { text: "kWh" }, rangemode: "tozero" },
      yaxis: { title: { text: "$/kWh" }, rangemode: "tozero" },
    }), options);
  };
  const move = (by) => () => {
    range.value = Math.min(Math.max(Number(range.value) + by, 0), books.slots.length - 1);
    show();
  };
  range.max = books.slots.length - 1;
  range.value = books.shown;
  range.addEventListener("input", show);
  const [back, on, busiest] = box.querySelectorAll("button");
  back.addEventListener("click", move(-1));
  on.addEventListener("click", move(1));
  busiest.addEventListener("click", () => { range.value = books.shown; show(); });
  show();
  return show;
}

// ---------------------------------------------------------------- all of it

const redraw = [];

function begin() {
  page.figures.forEach((_, place) => { draw(place); redraw.push(() => draw(place)); });
  page.books.forEach((_, place) => { const show = chooser(place); if (show) redraw.push(show); });
  for (const query of [dark, narrow]) query.addEventListener("change", () => redraw.forEach((again) => again()));
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
