// Where the energy of the slot delivered last came from and went to: the neighbourhood, and each participant.
import { byId, make, rows, say, width } from "/static/dom.js";
import * as format from "/static/format.js";

const COLUMNS = [["supplied", "grid"], ["bought", "local"], ["self_consumed", "own"], ["sold", "local"], ["fed_in", "grid"]];

export function showFlows({ flows: { slot, flows }, market }) {
  say(byId("flows-slot"), slot === null ? "nothing delivered yet" : `${format.day(slot)}, ${format.slot(slot, market.step)}`);
  showWhole(flows);
  const most = Math.max(1, ...flows.flatMap((flow) => COLUMNS.map(([name]) => flow[name])));
  rows(byId("flow-rows"), flows, ({ participant_id }) => participant_id, create, (row, flow) => {
    const [name, ...cells] = row.children;
    say(name.firstElementChild, flow.participant_id);
    say(name.lastElementChild, flow.estimated ? " deemed" : "");
    COLUMNS.forEach(([column], index) => {
      const [text, bar] = cells[index].children;
      say(text, flow[column] ? format.wh(flow[column]) : format.NONE);
      width(bar, flow[column] / most);
    });
  });
}

function create() {
  const name = make("th", { scope: "row" }, make("span"), make("span", { class: "badge" }));
  const cells = COLUMNS.map(([, colour]) => make("td", { class: "number" }, make("span"), make("span", { class: `under ${colour}`, "aria-hidden": "true" })));
  return make("tr", {}, name, ...cells);
}

// ------------------------------------------------------------ the neighbourhood

const bars = new Map();

function showWhole(flows) {
  const sum = (name) => flows.reduce((total, flow) => total + flow[name], 0);
  const own = sum("self_consumed");
  const lines = [
    ["Used", [["own", own], ["local", sum("bought")], ["grid", sum("supplied")]]],
    ["Made", [["own", own], ["local", sum("sold")], ["grid", sum("fed_in")]]],
  ];
  const most = Math.max(1, ...lines.map(([, parts]) => parts.reduce((total, [, energy]) => total + energy, 0)));
  for (const [name, parts] of lines) {
    if (!bars.has(name)) bars.set(name, createBar(name));
    const { amount, pieces, stack } = bars.get(name);
    parts.forEach(([, energy], index) => width(pieces[index], energy / most));
    say(amount, format.energy(parts.reduce((total, [, energy]) => total + energy, 0)).join(" "));
    const words = parts.map(([kind, energy]) => `${{ own: "own", local: "neighbours", grid: "grid" }[kind]} ${format.wh(energy)} Wh`);
    stack.setAttribute("aria-label", `${name}: ${words.join(", ")}`);
  }
}

function createBar(name) {
  const whole = byId("flows-whole");
  whole.className = "whole";
  const pieces = ["own", "local", "grid"].map((colour) => make("i", { class: colour }));
  const stack = make("div", { class: "stack", role: "img" }, ...pieces);
  const amount = make("span", { class: "number" });
  whole.append(make("span", { class: "quiet" }, name), stack, amount);
  return { amount, pieces, stack };
}
