// The round, its clock on the server's time, and the figures that matter most.
import { byId, make, rows, say, width } from "/static/dom.js";
import * as format from "/static/format.js";

const STATES = { waiting: "Waiting for participants", paused: "Paused", ended: "Ended", running: "" };

function figures({ round, prices, participants }) {
  const traded = prices.filter((slot) => slot.price !== null);
  const last = traded.at(-1);
  const cleared = prices.at(-1);
  const today = participants.map(({ today }) => today?.bought ?? 0).reduce((sum, bought) => sum + bought, 0);
  const online = participants.filter((one) => one.online).length;
  return [
    ["Local price", format.price(last?.price ?? null), "$/kWh"],
    ["Grid pays", format.price(round.sell_price), "$/kWh"],
    ["Grid charges", format.price(round.buy_price), "$/kWh"],
    ["Cleared last", ...(cleared ? format.energy(cleared.quantity) : [format.NONE, ""])],
    ["Traded today", format.kwh(today), "kWh"],
    ["Agents online", `${online}`, `of ${participants.length}`],
  ];
}

export function showRound(cards, now) {
  rows(byId("figures"), figures(cards), ([name]) => name, create, update);
  tick(cards, now);
}

const create = ([name]) => make("div", {}, make("dt", {}, name), make("dd", {}, make("span"), " ", make("small")));

function update(row, [, value, unit]) {
  const [number, small] = row.lastElementChild.children;
  say(number, value);
  say(small, unit);
}

// Several times a second; the wall clock's rounds end at a time, a simulation's by number.
export function tick({ round, market }, now) {
  if (market.mode === "realtime") tickWall(round, market, now());
  else tickSimulation(round, market);
}

function tickWall(round, { step }, time) {
  if (round.time === null) {
    say(byId("round-title"), "Before the first round");
    say(byId("countdown"), format.clock(step - (time % step)));
    return;
  }
  const rest = round.end - time;
  say(byId("round-title"), `Round of ${format.slot(round.time, step)}, ends in`);
  say(byId("countdown"), rest > -1 ? format.clock(rest) : `−${format.clock(-rest)}`);
  width(byId("progress"), 1 - rest / step);
  const late = rest < -1 ? "The next round is late. " : "";
  say(byId("gate"), `${late}Then the gate of ${format.slot(round.gate, step)} closes.`);
}

function tickSimulation(round, { step }) {
  const total = round.rounds || round.round;
  const state = STATES[round.state] ?? round.state;
  say(byId("round-title"), [`${round.simulation} ${round.episode || ""}`.trim(), state].filter(Boolean).join(" · "));
  say(byId("countdown"), round.time === null ? format.NONE : format.time(round.time));
  width(byId("progress"), total ? round.round / total : 0);
  const rest = round.rounds_per_second > 0 ? (total - round.round) / round.rounds_per_second : 0;
  const left = round.state === "running" && rest ? `, about ${format.about(rest)} left` : "";
  const speed = `${format.count(round.round)} of ${format.count(total)} rounds, ${round.rounds_per_second} a second${left}`;
  say(byId("gate"), round.time === null ? "" : `${format.day(round.time)} · ${speed}`);
}
