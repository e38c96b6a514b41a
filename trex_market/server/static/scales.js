// Where the marks of an axis lie.
import * as format from "/static/format.js";

// Round numbers that hold all values, about so many of them.
export function niceSteps(values, many) {
  if (!values.length) return [0, 1];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low < 1e-9) [low, high] = [low - Math.max(0.01, Math.abs(low) / 10), high + Math.max(0.01, Math.abs(high) / 10)];
  const rough = (high - low) / many;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

const SPACINGS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const ROOM = 64; // pixels that a time needs

// Slots that start at a round local time, and how they are named: the day's name at midnight.
export function timeTicks(starts, size) {
  const most = Math.max(1, Math.floor(size / ROOM));
  const seconds = starts.map(format.secondOfDay);
  for (const spacing of SPACINGS) {
    const ticks = starts.map((start, index) => [index, start]).filter(([index]) => seconds[index] % spacing === 0);
    if (ticks.length <= most) return ticks.map(([index, start]) => [index, seconds[index] ? format.time(start) : format.weekday(start)]);
  }
  return [];
}
