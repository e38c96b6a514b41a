// Numbers and times as people read them; times are the market's, wherever the reader is.
const formats = {};

export function useZone(zone, step) {
  const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
  const seconds = step % 60 ? { second: "2-digit" } : {};
  formats.time = format({ hour: "2-digit", minute: "2-digit", ...seconds });
  formats.day = format({ weekday: "short", day: "numeric", month: "short" });
  formats.weekday = format({ weekday: "short", day: "numeric" });
  formats.parts = format({ hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" });
}

export const time = (seconds) => formats.time.format(1000 * seconds);
export const day = (seconds) => formats.day.format(1000 * seconds);
export const weekday = (seconds) => formats.weekday.format(1000 * seconds);
export const slot = (start, step) => `${time(start)}–${time(start + step)}`;
export const moment = (seconds) => `${day(seconds)} ${time(seconds)}`;

// Seconds since local midnight.
export function secondOfDay(seconds) {
  const parts = Object.fromEntries(formats.parts.formatToParts(1000 * seconds).map(({ type, value }) => [type, +value]));
  return 3600 * parts.hour + 60 * parts.minute + parts.second;
}

export const NONE = "–";
const minus = (text) => text.replace("-", "−");
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const fixed = (digits) =>
  new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" });
const [two, three, four] = [fixed(2), fixed(3), fixed(4)];

export const count = (number) => whole.format(number);
export const wh = (energy) => (Math.abs(energy) < 100_000 ? whole : short).format(energy);
export const kwh = (energy) => (Math.abs(energy) < 1_000_000 ? two : whole).format(energy / 1000);
export const price = (dollars) => (dollars === null ? NONE : minus(four.format(dollars)));
export const axisPrice = (dollars) => minus(three.format(dollars));
export const money = (dollars) => minus(two.format(dollars));
export const energy = (value) => (Math.abs(value) < 1000 ? [wh(value), "Wh"] : [kwh(value), "kWh"]);

// How long: 4:05, or 2:04:05.
export function clock(seconds) {
  const rest = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest % 60)}`;
}

export function about(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
