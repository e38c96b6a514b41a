// A home that bids for what it lacks and asks for what it has too much, at fixed prices.
// node agent.js URL PARTICIPANT_ID [BID_PRICE] [ASK_PRICE]       prices in $/kWh, energy in Wh
import { io } from "socket.io-client";

const [url, participant_id, bidPrice = "0.25", askPrice = "0.10"] = process.argv.slice(2);
const socket = io(`${url}/market`, { transports: ["websocket"], auth: {} });
let profile = { start: 0, step: 1, load: [], generation: {} };

const at = (series, slot) => series?.[(slot - profile.start) / profile.step] ?? 0;
const sun = (slot) => at(profile.generation.solar, slot);

function orders([start, end]) {
  const need = at(profile.load, start) - sun(start);
  const order = { quantity: Math.abs(need), time_delivery: [start, end], source: "solar" };
  if (need > 0) return [{ ...order, side: "bid", price: Number(bidPrice) }];
  return need < 0 ? [{ ...order, side: "ask", price: Number(askPrice) }] : [];
}

// What was sold goes out first; of the rest the home uses what it can, and what is left goes to the grid.
function meter([start, end], sold) {
  const made = sun(start), load = at(profile.load, start);
  const own = Math.min(Math.max(0, made - sold), load);
  const consumption = { other: { solar: own, external: load - own } };
  return { time_interval: [start, end], generation: { solar: made - own }, consumption };
}

const sold = new Map(); // start of a slot -> Wh
socket.on("connect", () => socket.emit("join", { participant_id, profile: true }, (answer) => {
  if (!answer.ok) { console.error(answer.detail); process.exit(1); }
}));
socket.on("start_episode", (episode) => { profile = episode.profile ?? profile; sold.clear(); });
socket.on("start_round", (round) => {
  for (const { seller_id, quantity, time_delivery: [start] } of round.contracts)
    if (seller_id === participant_id) sold.set(start, (sold.get(start) ?? 0) + quantity);
  const [now] = round.current_round;
  socket.emit("turn", { orders: orders(round.next_settle), meter: meter(round.current_round, sold.get(now) ?? 0) },
    (answer) => answer.ok || console.error(answer.detail));
  sold.delete(now);
});
socket.on("end_simulation", () => socket.disconnect());
