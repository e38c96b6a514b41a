// The page: hears the market's cards and shows each where it belongs.
import { showAlarms } from "/static/alarms.js";
import { showControls } from "/static/controls.js";
import { showDepth } from "/static/depth.js";
import { byId, put, say } from "/static/dom.js";
import { showFlows } from "/static/flows.js";
import * as format from "/static/format.js";
import { showPeople } from "/static/people.js";
import { showPrices } from "/static/prices.js";
import { showRound, tick } from "/static/round.js";
import { stream } from "/static/stream.js";

const cards = {};
const token = () => sessionStorage.getItem("token");

// The server's clock less this machine's. What was longest on its way says too little: the largest of some counts.
const offsets = [];
const now = () => Date.now() / 1000 + (offsets.length ? Math.max(...offsets) : 0);

// Card -> all that says something about it.
const SHOWN = {
  access: [showSign, showControls],
  market: [showMarket],
  round: [showRound, showPrices, showControls],
  alarms: [showAlarms, showTitle],
  participants: [showPeople, showRound],
  bills: [showPeople],
  depth: [showDepth],
  prices: [showPrices, showRound],
  flows: [showFlows],
};

// What comes together is shown together, and not before all is there.
const due = new Set();
let waiting = 0;
const complete = () => Object.keys(SHOWN).every((name) => name in cards);

function heard(name, data) {
  if (name === "time") {
    offsets.push(data - Date.now() / 1000);
    if (offsets.length > 10) offsets.shift();
    return;
  }
  cards[name] = data;
  if (name === "market") format.useZone(data.timezone, data.step);
  for (const show of SHOWN[name] ?? []) due.add(show);
  if (!waiting && complete()) waiting = setTimeout(showDue);
}

function showDue() {
  waiting = 0;
  byId("market").hidden = false;
  for (const show of due) show(cards, now);
  due.clear();
}

// A page that stays open for months is loaded anew when its server is another version.
let version = null;
function showMarket({ market }) {
  if (version !== null && version !== market.version) return location.reload();
  version = market.version;
  say(byId("name"), market.market_id);
  const mode = market.mode === "realtime" ? "wall clock" : "simulation";
  say(byId("terms"), `${market.rule} · ${mode} · slots of ${format.about(market.step)}`);
  say(byId("version"), `trex_market ${market.version} · times are those of ${market.timezone}`);
}

function showTitle({ alarms, market }) {
  const urgent = alarms.filter((alarm) => alarm.level !== "note").length;
  document.title = `${urgent ? `(${urgent}) ` : ""}${market.market_id}`;
}

// ------------------------------------------------------------ live or not

const WORDS = { connecting: "Connecting", live: "Live", lost: "Not live", refused: "Not live" };
let state = "connecting";
let retryAt = 0;
let lastLive = null;

function changed(next, detail) {
  const before = state;
  state = next;
  if (next === "live") {
    closeSignIn();
    offsets.length = 0;
  } else if (next === "lost") {
    if (before === "live") lastLive = Date.now();
    retryAt = detail;
  } else if (next === "refused") askForToken(token() ? `${detail[0].toUpperCase()}${detail.slice(1)}.` : "");
  put(byId("live"), "data-state", next);
  say(byId("live-text"), WORDS[next]);
  byId("retry").hidden = next !== "lost";
  byId("market").toggleAttribute("data-stale", next === "lost" || next === "refused");
  showWait();
}

// Seconds are shown, but not read out.
function showWait() {
  const since = lastLive === null ? "" : `last heard ${format.about((Date.now() - lastLive) / 1000)} ago, `;
  const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  say(byId("live-detail"), state === "lost" ? `${since}trying again in ${wait} s` : "");
}

// ------------------------------------------------------------ token, theme

function askForToken(error) {
  byId("sign-in").hidden = false;
  byId("sign-cancel").hidden = state === "refused";
  say(byId("token-error"), error);
  byId("token").focus();
}

function closeSignIn() {
  byId("sign-in").hidden = true;
  say(byId("token-error"), "");
}

function showSign({ access }) {
  say(byId("sign"), token() ? `Sign out (${access.role})` : "Sign in");
}

byId("sign").addEventListener("click", () => {
  if (!token()) return askForToken("");
  sessionStorage.removeItem("token");
  location.reload();
});
byId("sign-cancel").addEventListener("click", () => {
  closeSignIn();
  byId("sign").focus();
});
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value.trim());
  byId("token").value = "";
  events.again();
});

const THEMES = ["auto", "light", "dark"];
const theme = () => document.documentElement.dataset.theme ?? "auto";
const showTheme = () => say(byId("theme"), `Theme: ${theme()}`);

byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  showTheme();
});

// ------------------------------------------------------------ going

const events = stream(token, heard, changed);
byId("retry").addEventListener("click", () => events.again());
showTheme();
addEventListener("resize", () => {
  if (complete()) for (const show of [showPrices, showDepth]) show(cards, now);
});
setInterval(() => {
  showWait();
  if (complete()) tick(cards, now);
}, 250);
if (document.documentElement.dataset.token === "needed" && !token()) changed("refused", "");
else events.again();
