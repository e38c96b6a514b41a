// Server-sent events over fetch (EventSource cannot show a token). Connects again by itself, and says when it is not live.
const SILENCE_MS = 16_000; // the server tells the time every 5 s
const HIDDEN_MS = 30_000; // a page that nobody sees lets go of its connection
const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;
const REFUSED = [401, 403, 429];

// One event: its lines "event: name" and "data: ...".
function parsed(block) {
  let [name, data] = ["message", ""];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return [name, JSON.parse(data)];
}

async function read(body, alive, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) heard(...parsed(block));
  }
}

// token() gives the token or null; heard(name, data) gets each event; changed(state, detail) is told "connecting",
// "live", "lost" (detail: when it is tried again, in ms) or "refused" (detail: why).
export function stream(token, heard, changed) {
  let controller = null;
  let timer = 0;
  let waits = 0;
  let wanted = false;

  async function listen(mine) {
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => mine.abort(), SILENCE_MS);
    };
    try {
      alive();
      const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
      const response = await fetch("/events", { headers, signal: mine.signal, cache: "no-store" });
      if (REFUSED.includes(response.status)) {
        const answer = await response.json().catch(() => ({}));
        wanted = false;
        return changed("refused", answer.detail ?? response.statusText);
      }
      if (!response.ok) throw new Error(response.statusText);
      waits = 0;
      changed("live");
      await read(response.body, alive, heard);
      throw new Error("the server has ended the connection");
    } catch {
      if (mine === controller && wanted) tryLater();
    } finally {
      clearTimeout(watchdog);
    }
  }

  function tryLater() {
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** waits++) * (0.75 + Math.random() / 2);
    timer = setTimeout(begin, wait);
    changed("lost", Date.now() + wait);
  }

  function begin() {
    clearTimeout(timer);
    controller?.abort();
    wanted = true;
    controller = new AbortController();
    listen(controller);
  }

  let hiding = 0;
  let paused = false;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
        paused = wanted;
        wanted = false;
        clearTimeout(timer);
        controller?.abort();
      }, HIDDEN_MS);
    } else if (paused) {
      paused = false;
      begin();
    }
  });

  return {
    again: () => {
      waits = 0;
      changed("connecting");
      begin();
    },
  };
}
