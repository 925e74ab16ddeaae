// Compare: one request to every exhibit of an edition, and what differs in the replies.

import { Lost, exhibitAt, settled } from "./exhibit.js";
import { chosenEdition } from "./edition.js";

const LONGEST = 1024 * 1024; // bytes: over this, servers end the connection
const SHOWN = 600; // characters of a reply

const form = document.querySelector("#compare");
const field = form.elements.request;
const verdict = document.querySelector("#verdict");
const reasons = JSON.parse(document.querySelector("#reasons").textContent);
const NUMBERS = ["none", "one", "two", "three", "four", "five"];

class Row {
  constructor(element) {
    this.element = element;
    this.name = element.querySelector(".type").textContent;
    this.exhibit = exhibitAt(element.dataset);
    this.exhibit.addEventListener("state", () => this.#showState());
    this.#part("reconnect").addEventListener("click", () => this.exhibit.connect());
  }

  set shown(shown) {
    this.element.hidden = !shown;
    if (shown) this.exhibit.connect();
    else this.exhibit.disconnect();
    this.show("");
  }

  // Resolves to the outcome: words to compare and to read, and whether they are a reply.
  async ask(data, probe) {
    const connected = this.exhibit.ready;
    this.show("", { pending: true });
    try {
      const { text, milliseconds } = await this.exhibit.send(data);
      this.show(text, { milliseconds, why: this.#reason(probe) });
      return { words: text, replied: true };
    } catch (lost) {
      if (!(lost instanceof Lost)) throw lost;
      const raised = lost.raised ? "Nobody caught the exception that this raised." : "No reply.";
      const why = connected ? (this.#reason(probe) ?? raised) : "Not sent: no connection.";
      this.show("", { why });
      return { words: lost.message, replied: false };
    }
  }

  show(text, { milliseconds, why = "", pending = false } = {}) {
    const reply = this.#part("reply");
    const rest = text.length - SHOWN;
    reply.textContent = rest > 0 ? `${text.slice(0, SHOWN)} … and ${rest} more characters` : text;
    this.#part("why").textContent = why;
    this.#part("time").textContent = milliseconds === undefined ? "" : inWords(milliseconds);
    this.element.classList.toggle("pending", pending);
  }

  #showState() {
    const { state, words } = this.exhibit;
    this.#part("state").textContent = words;
    this.element.dataset.state = state;
    this.#part("reconnect").hidden = state !== "dead";
  }

  // Why this exhibit is known to answer a probe otherwise than the contract says.
  #reason(probe) {
    return reasons[probe]?.[this.element.dataset.id];
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

const rows = [...document.querySelectorAll("[data-url]")].map((element) => new Row(element));
let asked = rows; // those of the edition that is chosen
let busy = false;
let impatience = 0;
let lastProbe = "";

async function compare(probe) {
  if (busy) {
    impatience += 1;
    say(`Still waiting for replies; ${impatience === 1 ? "this click" : `${impatience} clicks`} sent nothing.`);
    return;
  }
  const bytes = new TextEncoder().encode(field.value);
  if (bytes.length > LONGEST) {
    say(`Not sent: ${bytes.length.toLocaleString("en")} bytes are more than the ${LONGEST.toLocaleString("en")} that Daphne takes.`);
    return;
  }
  busy = true;
  impatience = 0;
  lastProbe = probe;
  form.ariaBusy = "true";
  const edition = asked;
  const data = form.elements.binary.checked ? bytes : field.value;
  await Promise.all(edition.map((row) => settled(row.exhibit)));
  const outcomes = await Promise.all(edition.map((row) => row.ask(data, probe)));
  busy = false;
  form.ariaBusy = "false";
  if (edition === asked) judge(edition, outcomes);
  else compare(probe); // another edition was chosen meanwhile
}

function judge(rows, outcomes) {
  const groups = Map.groupBy(rows, (row) => outcomes[rows.indexOf(row)].words);
  if (groups.size === 1 && outcomes[0].replied) {
    const number = rows.length === 2 ? "both" : `all ${NUMBERS[rows.length] ?? rows.length}`;
    say(`${number} identical: ${shortened(outcomes[0].words)}`, "same");
    return;
  }
  const largestFirst = [...groups].sort(([, some], [, others]) => others.length - some.length);
  const told = largestFirst.map(([words, group]) => `${names(group)}: ${shortened(words)}`);
  const replies = outcomes.filter(({ replied }) => replied).length;
  const number = `${NUMBERS[replies] ?? replies} of ${NUMBERS[rows.length] ?? rows.length} answered`;
  say(`${number}. ${told.join(" · ")}`, "differ");
}

function names(group) {
  return group.map((row) => row.name).join(", ");
}

function shortened(text) {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function inWords(milliseconds) {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

function say(text, kind = "") {
  verdict.textContent = text.charAt(0).toUpperCase() + text.slice(1);
  verdict.dataset.kind = kind;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  compare();
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.shiftKey || event.ctrlKey) return;
  event.preventDefault();
  form.requestSubmit();
});
for (const button of document.querySelectorAll("[data-probe]")) {
  button.addEventListener("click", () => {
    field.value = button.value;
    form.elements.binary.checked = "binary" in button.dataset;
    compare(button.dataset.probe);
  });
}

chosenEdition((edition) => {
  asked = rows.filter((row) => row.element.dataset.edition === edition);
  for (const row of rows) row.shown = asked.includes(row);
  say("");
  // What was asked of one edition is asked of the next.
  if (!busy) compare(lastProbe);
});
