// What an operator may do.
import { byId, make, say } from "/static/dom.js";

const LABELS = { pause: "Pause", resume: "Resume", step: "One round", stop: "Stop …" };
const buttons = new Map();

async function act(action) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch(`/control/${action}`, { method: "POST", headers });
    const answer = await response.json();
    tell(response.ok ? "" : `Not done: ${answer.detail}.`);
  } catch {
    tell("Not done: the server does not answer.");
  }
}

const tell = (text) => say(byId("control-error"), text);

// Stopping is asked for twice: in real time, nobody can start the market again from here.
function stop(realtime) {
  const after = realtime
    ? "Agents are disconnected, and no rounds are played until it is started again on its machine. Nothing that was acknowledged is lost."
    : "The simulation ends with this round; what was recorded stays.";
  say(byId("confirm-text"), after);
  byId("confirm").showModal();
}

byId("confirm").addEventListener("close", () => byId("confirm").returnValue === "yes" && act("stop"));

export function showControls({ access, round, market }) {
  const group = byId("controls");
  const paused = round.state === "paused";
  // Pause and resume are one button, so that whoever pressed it stays on it.
  const shown = access.controls.map((one) => (one === "resume" ? null : one)).filter(Boolean);
  group.hidden = !shown.length || round.state === "ended";
  for (const name of shown) {
    if (!buttons.has(name)) {
      const button = make("button", { type: "button" });
      buttons.set(name, button);
      group.append(button);
    }
    const action = name === "pause" && paused ? "resume" : name;
    const button = buttons.get(name);
    say(button, LABELS[action] ?? action);
    button.onclick = () => (action === "stop" ? stop(market.mode === "realtime") : act(action));
  }
  for (const [name, button] of buttons) button.hidden = !shown.includes(name);
}
