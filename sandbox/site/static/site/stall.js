// Stall: one synchronous consumer sleeps, and pings show which connections wait for it.

import { chosenEdition } from "./edition.js";
import { RequestFailed, exhibitAt, settled } from "./exhibit.js";
import { drawTimeline } from "./strip.js";

const SPAN = 6000; // milliseconds on a strip
const PAUSE = 100; // milliseconds between two pings
const PING = '{"message": "ping"}';

const button = document.querySelector("#block");
const result = document.querySelector("#result");
const delay = Number(button.dataset.delay);
let blocked = null; // the start of the consumer's sleep and, when it is over, its end

class Row {
  pings = [];
  #pinging = false;

  constructor(element) {
    this.element = element;
    this.id = element.dataset.id;
    this.canvas = element.querySelector("canvas");
    this.exhibit = exhibitAt(element.dataset, { persistent: true });
    this.exhibit.addEventListener("state", () => this.#showState());
  }

  set shown(shown) {
    this.element.hidden = !shown;
    this.pings = [];
    if (!shown) {
      this.exhibit.disconnect();
    } else {
      this.exhibit.connect();
      this.#ping();
    }
  }

  get shown() {
    return !this.element.hidden;
  }

  longestPing(since) {
    const pings = this.pings.filter(({ end }) => end === undefined || end > since);
    return Math.max(0, ...pings.map(({ start, end = performance.now() }) => end - start));
  }

  draw(now) {
    this.pings = this.pings.filter(({ end }) => end === undefined || end > now - SPAN);
    drawTimeline(this.canvas, this.pings, now, SPAN, blocked);
  }

  async #ping() {
    if (this.#pinging) return; // shown again before its last pause was over
    this.#pinging = true;
    while (this.shown) {
      if (this.exhibit.ready && !document.hidden) {
        const ping = { start: performance.now() };
        this.pings.push(ping);
        try {
          await this.exhibit.request(PING);
        } catch (error) {
          if (!(error instanceof RequestFailed)) throw error;
          this.pings.pop();
        }
        ping.end = performance.now();
        this.element.querySelector(".time").textContent = formatted(ping.end - ping.start);
      }
      await sleep(PAUSE);
    }
    this.#pinging = false;
  }

  #showState() {
    this.element.dataset.state = this.exhibit.state;
    this.element.querySelector(".state").textContent = this.exhibit.description;
  }
}

const rows = [...document.querySelectorAll("[data-url]")].map((element) => new Row(element));
let chosen = ""; // the edition whose consumer is to sleep
let since = 0; // when it was chosen: pings from before it are not shown

async function block() {
  if (blocked && !blocked.end) return;
  const shown = rows.filter((row) => row.shown);
  const blocker = shown.find(({ element: { dataset } }) => dataset.edition === chosen && dataset.kind === "sync");
  const exhibit = exhibitAt(blocker.element.dataset); // on a connection of its own
  blocked = { start: performance.now() };
  say(`${blocker.id} sleeps for ${delay} s …`);
  try {
    exhibit.connect();
    await settled(exhibit);
    blocked.start = performance.now();
    await exhibit.request(JSON.stringify({ message: "blocked", delay }));
    blocked.end = performance.now();
    await sleep(2 * PAUSE); // the replies to the pings that waited are on their way
    if (since < blocked.start) report(blocker, shown);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    say(`${blocker.id} could not be blocked: ${error.message}.`);
  } finally {
    blocked.end ??= performance.now();
    exhibit.disconnect();
  }
}

function report(blocker, shown) {
  const waits = shown.map((row) => ({ id: row.id, wait: row.longestPing(blocked.start) }));
  const stalled = waits.filter(({ wait }) => wait > (delay * 1000) / 2);
  const counted = `While ${blocker.id} slept, ${stalled.length} of ${shown.length} connections stalled`;
  if (stalled.length) {
    say(`${counted}: ${stalled.map(({ id, wait }) => `${id} for ${formatted(wait)}`).join(", ")}.`, "differ");
  } else {
    const longest = Math.max(...waits.map(({ wait }) => wait));
    say(`${counted}. The longest round trip took ${formatted(longest)}.`, "same");
  }
}

function say(text, outcome = "") {
  result.textContent = text;
  result.dataset.result = outcome;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function formatted(milliseconds) {
  return milliseconds < 100 ? `${milliseconds.toFixed(1)} ms` : `${Math.round(milliseconds)} ms`;
}

function draw() {
  const now = performance.now();
  for (const row of rows) if (row.shown) row.draw(now);
  requestAnimationFrame(draw);
}

button.addEventListener("click", block);
chosenEdition((edition) => {
  chosen = edition;
  since = performance.now();
  for (const row of rows) {
    const { dataset } = row.element;
    const shown = dataset.edition === edition || "neighbour" in dataset;
    if (shown !== row.shown) row.shown = shown;
  }
  say("");
});
draw();
