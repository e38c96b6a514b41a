// Participants: who is online, the last reading, what today came to; a name opens the days before.
import { byId, cells, make, put, rows, say } from "/static/dom.js";
import * as format from "/static/format.js";

const COLUMNS = [["Agent", ""], ["Last reading", ""], ["Bought", "number"], ["Sold", "number"], ["From grid", "number"], ["To grid", "number"], ["Bill, $", "number"]];
const AMOUNTS = ["bought", "sold", "supplied", "fed_in"];
const open = new Set();
let latest = null;

export function showPeople(cards) {
  latest = cards;
  const { participants } = cards;
  const online = participants.filter((one) => one.online).length;
  say(byId("people-count"), `${online} of ${participants.length} online`);
  const items = participants.flatMap((one) => (open.has(one.participant_id) ? [one, { ...one, days: true }] : [one]));
  rows(byId("people-rows"), items, ({ participant_id, days }) => `${days ? "days" : "row"} ${participant_id}`, create, update);
  showSum(participants);
}

const create = (one) => (one.days ? createDays() : createRow(one));

function createRow({ participant_id }) {
  const button = make("button", { type: "button", class: "name-button", "aria-expanded": "false" }, participant_id);
  button.addEventListener("click", () => {
    if (!open.delete(participant_id)) open.add(participant_id);
    showPeople(latest);
  });
  const row = make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, button), ...cells(...COLUMNS));
  row.children[1].append(make("span", { class: "state" }));
  row.children[2].append(make("span"));
  return row;
}

function update(row, one) {
  if (one.days) return updateDays(row, one.participant_id);
  const [name, agent, reading, ...amounts] = row.children;
  put(name.firstElementChild, "aria-expanded", open.has(one.participant_id));
  const state = agent.firstElementChild;
  put(state, "class", `state ${one.online ? "online" : "offline"}`);
  say(state, one.online ? "online" : "offline");
  const missing = one.missing ? `${one.missing} missing` : "";
  const last = one.last_reading === null ? "none yet" : format.slot(one.last_reading, latest.market.step);
  say(reading.firstElementChild, [last, missing].filter(Boolean).join(", "));
  put(reading.firstElementChild, "class", missing ? "badge" : null);
  showBill(amounts, one.today);
}

function showBill(columns, bill) {
  AMOUNTS.forEach((name, index) => say(columns[index], bill ? format.kwh(bill[name]) : format.NONE));
  const cell = columns[AMOUNTS.length];
  say(cell, bill ? format.money(bill.bill) : format.NONE);
  put(cell, "class", bill && bill.bill < 0 ? "number earned" : "number");
}

function showSum(participants) {
  const bills = participants.map(({ today }) => today).filter(Boolean);
  const foot = byId("people-sum");
  if (!foot.children.length) {
    const row = make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, "Together"), ...cells(...COLUMNS.slice(2)));
    row.firstElementChild.setAttribute("colspan", 3);
    foot.append(row);
  }
  const sum = Object.fromEntries([...AMOUNTS, "bill"].map((name) => [name, bills.reduce((total, bill) => total + bill[name], 0)]));
  showBill([...foot.firstElementChild.children].slice(1), bills.length ? sum : null);
}

// ------------------------------------------------------------ the days before

function createDays() {
  const head = ["Day", "Bought", "Sold", "From grid", "To grid", "Bill, $"];
  const titles = head.map((text, index) => make("th", { scope: "col", class: index ? "number" : null }, text));
  const table = make("table", {}, make("caption"), make("thead", {}, make("tr", {}, ...titles)), make("tbody"));
  return make("tr", { class: "days" }, make("td", { colspan: 8 }, table));
}

function updateDays(row, participant_id) {
  const { bills } = latest;
  const [caption, , body] = row.querySelector("table").children;
  say(caption, `Days before of ${participant_id}, in kWh`);
  const days = (bills.bills[participant_id] ?? []).map((bill, index) => ({ start: bills.days[index], bill }));
  const line = () => make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: 5 }, () => make("td", { class: "number" })));
  rows(body, days, ({ start }) => start, line, (one, { start, bill }) => {
    const [name, ...columns] = one.children;
    say(name, format.weekday(start));
    showBill(columns, bill);
  });
}
