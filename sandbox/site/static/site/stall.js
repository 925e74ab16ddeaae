// Stall: one synchronous consumer sleeps; every other one is pinged meanwhile.

import { chosenEdition } from "./edition.js";
import { Lost, exhibitAt, settled } from "./exhibit.js";
import { drawTimeline } from "./strip.js";

const SPAN = 6000; // milliseconds on a strip
const PAUSE = 100; // milliseconds between two pings
const PING = '{"message": "ping"}';

const button = document.querySelector("#block");
const result = document.querySelector("#result");
const delay = Number(button.dataset.delay);
let blocked = null; // the time in which the consumer sleeps

class Row {
  pings = [];

  constructor(element) {
    this.element = element;
    this.name = element.querySelector(".type").textContent;
    this.canvas = element.querySelector("canvas");
    this.exhibit = exhibitAt(element.dataset, { persistent: true });
    this.exhibit.addEventListener("state", () => this.#showState());
  }

  set shown(shown) {
    this.element.hidden = !shown;
    if (!shown) {
      this.exhibit.disconnect();
      this.pings = [];
    } else {
      this.exhibit.connect();
      this.#ping();
    }
  }

  get shown() {
    return !this.element.hidden;
  }

  waited(since) {
    const ends = this.pings.filter(({ end }) => end === undefined || end > since);
    return Math.max(0, ...ends.map(({ start, end = performance.now() }) => end - start));
  }

  draw(now) {
    this.pings = this.pings.filter(({ end }) => end === undefined || end > now - SPAN);
    drawTimeline(this.canvas, this.pings, now, SPAN, blocked);
  }

  async #ping() {
    while (this.shown) {
      if (this.exhibit.ready && !document.hidden) {
        const ping = { start: performance.now() };
        this.pings.push(ping);
        try {
          await this.exhibit.send(PING);
        } catch (lost) {
          if (!(lost instanceof Lost)) throw lost;
          this.pings.pop();
        }
        ping.end = performance.now();
        this.element.querySelector(".time").textContent = inWords(ping.end - ping.start);
      }
      await sleep(PAUSE);
    }
  }

  #showState() {
    this.element.dataset.state = this.exhibit.state;
    this.element.querySelector(".state").textContent = this.exhibit.words;
  }
}

const rows = [...document.querySelectorAll("[data-url]")].map((element) => new Row(element));

async function block() {
  if (blocked && !blocked.end) return;
  const victim = rows.find((row) => row.shown && row.element.dataset.kind === "sync");
  const exhibit = exhibitAt(victim.element.dataset);
  blocked = { start: performance.now() };
  result.textContent = `A ${victim.name} of ${victim.element.dataset.edition} sleeps for ${delay} s …`;
  const edition = rows.filter((row) => row.shown);
  try {
    exhibit.connect();
    await settled(exhibit);
    blocked.start = performance.now();
    await exhibit.send(JSON.stringify({ message: "blocked", delay }));
    blocked.end = performance.now();
    await sleep(2 * PAUSE); // the pings that waited are on their way back
    tell(victim, edition);
  } catch (lost) {
    if (!(lost instanceof Lost)) throw lost;
    result.textContent = `It could not be blocked: ${lost.message}.`;
  } finally {
    blocked.end ??= performance.now();
    exhibit.disconnect();
  }
}

function tell(victim, edition) {
  const waits = edition.map((row) => [row, row.waited(blocked.start)]);
  const stalled = waits.filter(([, wait]) => wait > (delay * 1000) / 2);
  const longest = Math.max(...waits.map(([, wait]) => wait));
  result.textContent = stalled.length
    ? `While one ${victim.name} slept, ${stalled.length} of ${edition.length} stood still: ${stalled
        .map(([row, wait]) => `${row.name} waited ${inWords(wait)}`)
        .join(", ")}.`
    : `While one ${victim.name} slept, nobody stood still: the longest wait was ${inWords(longest)}.`;
  result.dataset.kind = stalled.length ? "differ" : "same";
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function inWords(milliseconds) {
  return milliseconds < 100 ? `${milliseconds.toFixed(1)} ms` : `${Math.round(milliseconds)} ms`;
}

function draw() {
  const now = performance.now();
  for (const row of rows) if (row.shown) row.draw(now);
  requestAnimationFrame(draw);
}

button.addEventListener("click", block);
chosenEdition((edition) => {
  for (const row of rows) {
    const shown = row.element.dataset.edition === edition;
    if (shown !== row.shown) row.shown = shown;
  }
  result.textContent = "";
  result.dataset.kind = "";
});
draw();
