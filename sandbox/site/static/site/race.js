// Race: round trips in a loop; the exhibits take turns.

import { RequestFailed, exhibitAt } from "./exhibit.js";
import { drawLatest } from "./strip.js";

const TURN = 250; // milliseconds
const MAX_LATENCIES = 5000; // of each exhibit, the newest

const form = document.querySelector("#race");
const status = document.querySelector("#status");
const start = document.querySelector("#start");
const stop = document.querySelector("#stop");

class Runner {
  constructor(element) {
    this.element = element;
    this.choice = form.querySelector(`input[value="${element.dataset.id}"]`);
    this.exhibit = exhibitAt(element.dataset, { persistent: true });
    this.exhibit.addEventListener("state", () => this.#showState());
    this.choice.addEventListener("change", () => this.update());
    this.reset();
  }

  get chosen() {
    return this.choice.checked;
  }

  reset() {
    this.replies = 0;
    this.ownTime = 0; // milliseconds
    this.latencies = [];
  }

  update() {
    this.element.hidden = !this.chosen;
    if (this.chosen && running) this.exhibit.connect();
    else this.exhibit.disconnect();
  }

  async run(payload, inFlight) {
    const started = performance.now();
    const loop = async () => {
      while (running && this.chosen && performance.now() - started < TURN) {
        const { milliseconds } = await this.exhibit.request(payload);
        this.replies += 1;
        this.latencies.push(milliseconds);
      }
    };
    const loops = await Promise.allSettled(Array.from({ length: inFlight }, loop));
    this.ownTime += performance.now() - started;
    this.latencies.splice(0, this.latencies.length - MAX_LATENCIES);
    for (const { reason } of loops) if (reason && !(reason instanceof RequestFailed)) throw reason;
    return loops.every(({ reason }) => reason === undefined);
  }

  figures() {
    const sorted = this.latencies.toSorted((one, other) => one - other);
    const percentile = (share) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    const rate = this.ownTime ? (1000 * this.replies) / this.ownTime : 0;
    return { rate, p50: percentile(0.5), p99: percentile(0.99) };
  }

  show({ rate, p50, p99 }, most) {
    this.#part("rate .fill").style.inlineSize = `${(100 * rate) / most.rate}%`;
    this.#part("rate .figure").textContent = `${Math.round(rate).toLocaleString("en")} /s`;
    this.#part("p50 .fill").style.inlineSize = `${(100 * p50) / most.p99}%`;
    this.#part("p99 .fill").style.inlineSize = `${(100 * p99) / most.p99}%`;
    this.#part("p50 .figure").textContent = `${p50.toFixed(1)} ms`;
    this.#part("p99 .figure").textContent = `${p99.toFixed(1)} ms`;
    drawLatest(this.element.querySelector("canvas"), this.latencies, most.p99);
  }

  #showState() {
    this.element.dataset.state = this.exhibit.state;
    this.#part("state").textContent = this.exhibit.description;
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

let running = null; // a race that was stopped does not continue when the next one has started
let payload, inFlight; // as the form had them when it was last valid
const runners = [...document.querySelectorAll("[data-url]")].map((element) => new Runner(element));

async function race() {
  if (running || !form.reportValidity()) return;
  const race = (running = Symbol("race"));
  for (const runner of runners) {
    runner.reset();
    runner.update();
  }
  start.disabled = true;
  stop.disabled = false;
  stop.focus();
  for (let round = 0; running === race; round++) await runRound(race, round);
}

async function runRound(race, round) {
  const valid = form.checkValidity();
  if (valid) {
    payload = JSON.stringify({ message: "x".repeat(form.elements.size.valueAsNumber) });
    inFlight = form.elements.inflight.valueAsNumber;
  }
  const chosen = runners.filter((runner) => runner.chosen);
  // Each round starts with another exhibit, so that none is always first.
  const turns = chosen.map((_, turn) => chosen[(turn + round) % chosen.length]);
  let ran = 0;
  for (const runner of turns) {
    if (running !== race) return;
    if (!runner.exhibit.ready) continue;
    if (await runner.run(payload, inFlight)) ran += 1;
    show();
  }
  if (running !== race) return;
  const counted =
    ran === chosen.length
      ? `Running with ${ran} of ${runners.length} exhibits.`
      : `Running with ${ran} of the ${chosen.length} chosen; the others are not connected.`;
  say(valid ? counted : `${counted} A number in the form is not valid: the one before it counts.`);
  if (ran === 0) await new Promise((resolve) => setTimeout(resolve, TURN));
}

function show() {
  const chosen = runners.filter((runner) => runner.chosen);
  const figures = chosen.map((runner) => runner.figures());
  const most = {
    rate: Math.max(1, ...figures.map(({ rate }) => rate)),
    p99: Math.max(0.1, ...figures.map(({ p99 }) => p99)),
  };
  chosen.forEach((runner, index) => runner.show(figures[index], most));
}

function end(reason) {
  if (!running) return;
  running = null;
  for (const runner of runners) runner.exhibit.disconnect();
  start.disabled = false;
  stop.disabled = true;
  start.focus();
  say(reason);
}

function say(text) {
  if (status.textContent !== text) status.textContent = text; // a screen reader reads it once
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  race();
});
stop.addEventListener("click", () => end("Stopped."));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) end("Stopped, because this tab was hidden: browsers slow hidden tabs down.");
});
for (const runner of runners) runner.update();
