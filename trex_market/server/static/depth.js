// The order book: how much is asked for and offered at each price of the slot that is cleared next, and all open slots.
import { byId, draw, make, rows, say, width } from "/static/dom.js";
import * as format from "/static/format.js";
import { niceSteps } from "/static/scales.js";

const HEIGHT = 190;
const [LEFT, TOP, BOTTOM] = [44, 10, 160];

export function showDepth({ depth, market }) {
  const [first] = depth.slots;
  const holder = byId("depth-chart");
  if (first === undefined) holder.replaceChildren(make("p", { class: "empty" }, "There are no open orders."));
  else holder.replaceChildren(picture(depth, Math.max(200, holder.clientWidth)));
  say(byId("depth-readout"), first ? `${format.slot(first.start, market.step)}: ${summary(first)}` : "");
  showSlots(depth, market);
}

const total = (ladder) => ladder.reduce((sum, [, quantity]) => sum + quantity, 0);

function summary({ orders, best_bid, best_ask }) {
  const many = `${format.count(orders)} order${orders === 1 ? "" : "s"}`;
  if (best_bid === null || best_ask === null) return `${many}, ${best_bid === null ? "no bids" : "no asks"}`;
  return `${many}, ${best_bid >= best_ask ? "prices cross" : "prices do not meet"}`;
}

// Wh to the right, prices upwards: bids fall, asks rise, and where they cross is what clears.
function picture({ bids, asks }, size) {
  const right = size - 6;
  const most = Math.max(1, total(bids), total(asks));
  const steps = niceSteps([...bids, ...asks].map(([price]) => price), 3);
  const x = (quantity) => LEFT + (quantity / most) * (right - LEFT);
  const y = (price) => BOTTOM - ((price - steps[0]) / (steps.at(-1) - steps[0] || 1)) * (BOTTOM - TOP);
  const label = `Order book: ${format.wh(total(bids))} Wh of bids, ${format.wh(total(asks))} Wh of asks.`;
  const chart = draw("svg", { viewBox: `0 0 ${size} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": label });
  for (const price of steps)
    chart.append(
      draw("path", { class: "rule", d: `M${LEFT} ${y(price)}H${right}` }),
      draw("text", { x: LEFT - 6, y: y(price) + 4, "text-anchor": "end" }, format.axisPrice(price)),
    );
  for (const part of [0, 0.5, 1])
    chart.append(draw("text", { x: x(part * most), y: BOTTOM + 20, "text-anchor": ["start", "middle", "end"][2 * part] }, format.energy(part * most).join(" ")));
  chart.append(...curve(asks, x, y, "asks"), ...curve(bids, x, y, "bids"));
  return chart;
}

function curve(ladder, x, y, name) {
  if (!ladder.length) return [];
  let quantity = 0;
  let path = `M${x(0)} ${y(ladder[0][0])}`;
  for (const [price, more] of ladder) path += `V${y(price)}H${x((quantity += more))}`;
  const [price] = ladder.at(-1);
  const above = name === "bids" ? 14 : -6;
  return [
    draw("path", { class: `line ${name}`, d: path }),
    draw("text", { class: `name ${name}`, x: x(quantity) - 2, y: y(price) + above, "text-anchor": quantity > 0.15 * total(ladder) ? "end" : "start" }, name === "bids" ? "Bids" : "Asks"),
  ];
}

// ------------------------------------------------------------ all open slots

function showSlots({ slots, more }, { step }) {
  const most = Math.max(1, ...slots.flatMap(({ bids, asks }) => [bids, asks]));
  rows(byId("depth-rows"), slots, ({ start }) => start, create, (row, slot) => {
    const [name, bids, asks, best_bid, best_ask] = row.children;
    say(name.firstElementChild, format.time(slot.start));
    say(name.lastElementChild, `–${format.time(slot.start + step)}`);
    amount(bids, slot.bids, most);
    amount(asks, slot.asks, most);
    say(best_bid, format.price(slot.best_bid));
    say(best_ask, format.price(slot.best_ask));
  });
  say(byId("depth-more"), more ? `and ${format.count(more)} more` : "");
}

const bar = (side) => make("td", { class: "number" }, make("span"), make("span", { class: `under ${side}`, "aria-hidden": "true" }));

function create() {
  const prices = [0, 1].map(() => make("td", { class: "number" }));
  return make("tr", {}, make("th", { scope: "row" }, make("span"), make("span", { class: "slot-end" })), bar("bids"), bar("asks"), ...prices);
}

function amount(cell, quantity, most) {
  const [text, mark] = cell.children;
  width(mark, quantity / most);
  say(text, quantity ? format.wh(quantity) : format.NONE);
}
