// The page of demand response: asks the server each few seconds while somebody looks, and says what it answers.
import { byId, make, put, rows, say } from "/static/dom.js";

const EVERY_MS = 5_000;
let offset = 0; // the server's clock less this machine's, in seconds
const NONE = "–";
const token = () => sessionStorage.getItem("token");
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const at = (seconds) => moment.format(1000 * seconds);
const number = (value, digits = 3) => (value === null || value === undefined ? NONE : value.toFixed(digits).replace("-", "−"));
const total = (items, field) => {
  const known = items.map((item) => item[field]).filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
};

async function ask(path, method = "GET", body = undefined) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  const answer = await response.json();
  if (response.ok) return answer;
  if (response.status === 401 && method === "GET") byId("sign-in").hidden = false;
  throw new Error(answer.detail ?? response.statusText);
}

function live(state, text) {
  put(byId("live"), "data-state", state);
  say(byId("live-text"), text);
}

// ------------------------------------------------------------ what is shown

function showFigures(found) {
  const share = (value) => (value === null ? NONE : `${value.toFixed(0)} %`);
  const figures = [
    ["Events", String(found.events)],
    ["Shed", `${number(found.reduction_kwh)} kWh`],
    ["Of the target", share(found.achievement_percent)],
    ["Accepted", share(found.participation_percent)],
    ["Paid", `${number(found.paid, 2)} $`],
  ];
  const create = () => make("div", {}, make("dt"), make("dd"));
  rows(byId("figures"), figures, ([name]) => name, create, (row, [name, value]) => {
    say(row.children[0], name);
    say(row.children[1], value);
  });
}

function textCells(row, texts) {
  texts.forEach((text, place) => say(row.children[place], text));
}

function showEvents(events, running) {
  const create = (event) => {
    const cancel = make("button", { type: "button" }, "Cancel");
    cancel.addEventListener("click", () => act(`/dr/events/${encodeURIComponent(event.event_id)}/cancel`));
    const kinds = ["", "", "", ...Array(7).fill("number")];
    return make("tr", {}, ...kinds.map((kind) => make("td", { class: kind || null })), make("td", {}, cancel));
  };
  rows(byId("event-rows"), events, (event) => event.event_id, create, (row, event) => {
    const accepted = event.devices.filter((device) => device.accepts);
    const now = running.get(event.event_id);
    textCells(row, [
      event.event_id,
      at(event.start),
      event.status,
      `${accepted.length} of ${event.devices.length}`,
      number(total(accepted, "committed_kw") ?? 0),
      number(now?.reduction_kw),
      number(total(accepted, "baseline_kwh")),
      number(total(accepted, "metered_kwh")),
      number(total(accepted, "reduction_kwh") ?? now?.reduced_kwh),
      number(total(accepted, "paid"), 2),
    ]);
    const button = row.lastElementChild.firstElementChild;
    button.hidden = !["pending", "scheduled", "active"].includes(event.status);
    put(button, "aria-label", `Cancel ${event.event_id}`);
  });
}

function showDevices({ devices, sheddable_kw: sheddable }) {
  say(byId("sheddable"), `All together could shed ${number(sheddable)} kW now.`);
  const kinds = ["", "", "", "number", "number", "", ""];
  const create = () => make("tr", {}, ...kinds.map((kind) => make("td", { class: kind || null })));
  rows(byId("device-rows"), devices, (device) => device.device_id, create, (row, device) => {
    const rule = device.auto_response;
    textCells(row, [
      device.device_id,
      device.participant_id,
      device.measured,
      number(device.power_kw),
      number(device.sheddable_kw),
      device.mode,
      rule.enabled ? `up to ${rule.max_reduction_percent} %` : "no",
    ]);
  });
}

async function refresh() {
  try {
    const [{ events, time }, devices, analytics] = await Promise.all(
      ["/dr/events", "/dr/devices", "/dr/analytics"].map((path) => ask(path)),
    );
    offset = time - Date.now() / 1000;
    const active = events.filter((event) => event.status === "active");
    const shown = await Promise.all(active.map((event) => ask(`/dr/events/${encodeURIComponent(event.event_id)}`)));
    showFigures(analytics);
    showEvents(events, new Map(shown.filter((one) => one.progress).map((one) => [one.progress.event_id, one.progress])));
    showDevices(devices);
    byId("programme").hidden = false;
    byId("sign-in").hidden = true;
    live("live", "Live");
  } catch (error) {
    live("lost", "Not live");
    say(byId("error"), error.message);
    return;
  }
}

async function act(path, body = undefined) {
  try {
    await ask(path, "POST", body);
    say(byId("error"), "");
  } catch (error) {
    say(byId("error"), `Not done: ${error.message}.`);
  }
  await refresh();
}

byId("invite").addEventListener("submit", (event) => {
  event.preventDefault();
  const start = Math.round(Date.now() / 1000 + offset + 60 * byId("ahead").valueAsNumber);
  act("/dr/events", {
    start,
    duration_s: Math.round(60 * byId("length").valueAsNumber),
    load_percent: byId("percent").valueAsNumber,
  });
});
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value.trim());
  byId("token").value = "";
  say(byId("error"), "");
  refresh();
});

refresh();
setInterval(() => !document.hidden && refresh(), EVERY_MS);
