// What a person should know at once.
import { byId, make, rows, say } from "/static/dom.js";
import * as format from "/static/format.js";

const WORDS = { serious: "▲ Serious", warning: "▲ Warning", note: "● Note" };

// The region is there even when it is empty, or what comes into it would not be read out.
export function showAlarms({ alarms }) {
  rows(byId("alarm-list"), alarms, ({ code, text }) => `${code} ${text}`, create, update);
}

function create({ level }) {
  const [word, text, time] = [make("span", { class: "level" }), make("span", { class: "text" }), make("time")];
  return make("li", { class: level }, word, text, time);
}

function update(row, { level, text, since }) {
  const [word, sentence, time] = row.children;
  say(word, WORDS[level]);
  say(sentence, text);
  say(time, `since ${format.moment(since)}`);
  time.dateTime = new Date(1000 * since).toISOString();
}
