// Prices and volumes of the slots cleared last: a chart that answers to pointer and arrow keys, and a table.
import { byId, draw, make, put, rows, say } from "/static/dom.js";
import * as format from "/static/format.js";
import { niceSteps, timeTicks } from "/static/scales.js";

const HEIGHT = 300;
const PLOT = { top: 14, prices: 204, volumes: 228, bottom: 276 };
const LEFT = 44;
let chosen = null; // the start of the slot that is looked at; none for the last one
let drawn = null;

export function showPrices({ prices, round, market }) {
  const holder = byId("price-chart");
  if (!prices.length) {
    holder.replaceChildren(make("p", { class: "empty" }, "No slot was cleared yet."));
    return say(byId("prices-readout"), "");
  }
  drawn = { prices, round, market, ...scales(prices, holder.clientWidth) };
  const focused = holder.contains(document.activeElement);
  const chart = picture();
  holder.replaceChildren(chart);
  if (focused) chart.focus({ preventScroll: true });
  look();
  showTable(prices, market);
}

// ------------------------------------------------------------ scales

function scales(prices, size) {
  const right = Math.max(size, 200) - 4;
  const known = prices.flatMap(({ low, high, sell_price, buy_price }) => [low, high, sell_price, buy_price]);
  const steps = niceSteps(known.filter((price) => price !== null), 4);
  const [low, high] = [steps[0], steps.at(-1)];
  const most = Math.max(1, ...prices.map(({ quantity }) => quantity));
  const pitch = (right - LEFT) / prices.length;
  return {
    size: Math.max(size, 200), right, steps, most, pitch,
    x: (index) => LEFT + pitch * index,
    y: (price) => PLOT.prices - ((price - low) / (high - low || 1)) * (PLOT.prices - PLOT.top),
    v: (quantity) => PLOT.bottom - (quantity / most) * (PLOT.bottom - PLOT.volumes),
  };
}

// A price holds for the whole slot; where there is none, the line has a gap.
function stairs(value) {
  const { prices, x, y } = drawn;
  let path = "";
  let before = null;
  prices.forEach((slot, index) => {
    const price = value(slot);
    if (price !== null) path += `${before === null ? "M" : "L"}${x(index).toFixed(1)} ${y(price).toFixed(1)}H${x(index + 1).toFixed(1)}`;
    before = price;
  });
  return path;
}

function band() {
  const { prices, x, y } = drawn;
  return prices
    .map(({ low, high }, index) => (low === null ? "" : `M${x(index).toFixed(1)} ${y(high).toFixed(1)}H${x(index + 1).toFixed(1)}V${y(low).toFixed(1)}H${x(index).toFixed(1)}Z`))
    .join("");
}

// ------------------------------------------------------------ the picture

function picture() {
  const { prices, size, right, market } = drawn;
  const traded = prices.filter(({ price }) => price !== null);
  const label = `Prices and volumes of ${prices.length} slots, ${format.moment(prices[0].start)} to ${format.moment(prices.at(-1).start)}; ${traded.length} of them were traded. Arrow keys go from slot to slot.`;
  const chart = draw("svg", { viewBox: `0 0 ${size} ${HEIGHT}`, height: HEIGHT, tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": label, "aria-describedby": "prices-readout" });
  chart.append(...axes(), draw("path", { class: "band", d: band() }));
  prices.forEach(({ quantity }, index) => quantity && chart.append(bar(quantity, index)));
  chart.append(
    draw("path", { class: "line sells", d: stairs((slot) => slot.sell_price) }),
    draw("path", { class: "line buys", d: stairs((slot) => slot.buy_price) }),
    draw("path", { class: "line local", d: stairs((slot) => slot.price) }),
    ...nowLine(market.step),
    draw("g", { id: "price-cursor" }),
  );
  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerleave", () => choose(null));
  chart.addEventListener("keydown", (event) => {
    const index = at(chosen);
    const next = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: prices.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(drawn.prices[Math.min(drawn.prices.length - 1, Math.max(0, next))].start);
  });
  put(chart, "data-right", right);
  return chart;
}

function axes() {
  const { steps, y, right, prices, x, most, v } = drawn;
  const marks = steps.flatMap((price) => [
    draw("path", { class: "rule", d: `M${LEFT} ${y(price)}H${right}` }),
    draw("text", { x: LEFT - 6, y: y(price) + 4, "text-anchor": "end" }, format.axisPrice(price)),
  ]);
  const [amount, unit] = format.energy(most);
  marks.push(draw("path", { class: "rule", d: `M${LEFT} ${PLOT.bottom}H${right}` }));
  if (prices.some(({ quantity }) => quantity))
    marks.push(
      draw("text", { x: LEFT - 6, y: v(most) + 6, "text-anchor": "end" }, amount),
      draw("text", { x: LEFT - 6, y: v(most) + 18, "text-anchor": "end" }, unit),
    );
  for (const [index, text] of timeTicks(prices.map(({ start }) => start), right - LEFT))
    marks.push(
      draw("path", { class: "rule", d: `M${x(index)} ${PLOT.bottom}v4` }),
      draw("text", { x: x(index), y: HEIGHT - 6, "text-anchor": index * 2 > prices.length * 1.9 ? "end" : "middle" }, text),
    );
  return marks;
}

function bar(quantity, index) {
  const { x, v, pitch } = drawn;
  const gap = pitch > 4 ? 1 : 0;
  return draw("rect", { class: "volume", x: x(index) + gap / 2, width: pitch - gap, y: v(quantity), height: PLOT.bottom - v(quantity) });
}

// Contracts are for slots ahead: the running slot is not the last one.
function nowLine() {
  const { round, x, prices } = drawn;
  const index = prices.findIndex(({ start }) => start === round.time);
  if (index < 0) return [];
  const middle = x(index);
  return [
    draw("path", { class: "now", d: `M${middle} ${PLOT.top - 4}V${PLOT.bottom}` }),
    draw("text", { x: middle - 4, y: PLOT.top, "text-anchor": "end" }, "now"),
  ];
}

// ------------------------------------------------------------ looking at one slot

function at(start) {
  const index = drawn.prices.findIndex((slot) => slot.start === start);
  return index < 0 ? drawn.prices.length - 1 : index;
}

function point(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const index = Math.floor((event.clientX - box.left - LEFT) / drawn.pitch);
  choose(drawn.prices[Math.min(drawn.prices.length - 1, Math.max(0, index))].start);
}

function choose(start) {
  chosen = start;
  look();
}

function look() {
  const { prices, market, x, y, pitch } = drawn;
  const index = at(chosen);
  const slot = prices[index];
  const [amount, unit] = format.energy(slot.quantity);
  const grid = slot.sell_price === null ? "" : `, the grid pays ${format.price(slot.sell_price)} and charges ${format.price(slot.buy_price)}`;
  const traded = slot.price === null ? "nothing contracted" : `${format.price(slot.price)} $/kWh (${format.price(slot.low)} to ${format.price(slot.high)}), ${amount} ${unit} in ${slot.contracts} contract${slot.contracts === 1 ? "" : "s"}`;
  say(byId("prices-readout"), `${chosen === null ? "Last: " : ""}${format.day(slot.start)}, ${format.slot(slot.start, market.step)}: ${traded}${grid}.`);
  const cursor = byId("price-cursor");
  cursor.replaceChildren();
  if (chosen === null) return;
  const middle = x(index) + pitch / 2;
  cursor.append(draw("path", { class: "cursor", d: `M${middle} ${PLOT.top}V${PLOT.bottom}` }));
  if (slot.price !== null) cursor.append(draw("circle", { class: "cursor-dot", cx: middle, cy: y(slot.price), r: 4 }));
}

// ------------------------------------------------------------ the table

function showTable(prices, { step }) {
  const create = () => make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: 4 }, () => make("td", { class: "number" })));
  rows(byId("price-rows"), [...prices].reverse(), ({ start }) => start, create, (row, slot) => {
    const [name, quantity, ...dollars] = row.children;
    say(name, `${format.weekday(slot.start)}, ${format.slot(slot.start, step)}`);
    say(quantity, slot.quantity ? format.kwh(slot.quantity) : format.NONE);
    [slot.price, slot.low, slot.high].forEach((price, index) => say(dollars[index], format.price(price)));
  });
}
