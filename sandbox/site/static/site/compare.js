// Compare: one request to every exhibit of an edition, and how the replies differ.

import { RequestFailed, exhibitAt, settled } from "./exhibit.js";
import { chosenEdition } from "./edition.js";

const MAX_BYTES = 1024 * 1024; // of a message: over this, Daphne ends the connection
const MAX_LINKED = 4000; // characters of a request in the address: chats and mail cut longer ones
const MAX_SHOWN = 600; // characters of a reply

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

  // Resolves to a text, to compare and to show, and whether it is a reply.
  async request(data, probe) {
    const connected = this.exhibit.ready;
    this.show("", { pending: true });
    try {
      const { text, milliseconds } = await this.exhibit.request(data);
      this.show(text, { milliseconds, reason: this.#reason(probe) });
      return { text, replied: true };
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      const cause = error.raised ? "The consumer raised an exception." : "No reply.";
      const reason = connected ? (this.#reason(probe) ?? cause) : "Not sent: no connection.";
      this.show("", { reason });
      return { text: error.message, replied: false };
    }
  }

  show(text, { milliseconds, reason = "", pending = false } = {}) {
    const reply = this.#part("reply");
    const hidden = text.length - MAX_SHOWN;
    reply.textContent = hidden > 0 ? `${text.slice(0, MAX_SHOWN)} … and ${hidden} more characters` : text;
    this.#part("reason").textContent = reason;
    this.#part("time").textContent = milliseconds === undefined ? "" : formatted(milliseconds);
    this.element.classList.toggle("pending", pending);
  }

  #showState() {
    const { state, description } = this.exhibit;
    this.#part("state").textContent = description;
    this.element.dataset.state = state;
    this.#part("reconnect").hidden = state !== "broken";
  }

  // Why the answer of this exhibit to a probe is declared to differ from the contract.
  #reason(probe) {
    return reasons[probe]?.[this.element.dataset.id];
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

const rows = [...document.querySelectorAll("[data-url]")].map((element) => new Row(element));
let chosen = rows; // those of the chosen edition
let busy = false;
let ignoredClicks = 0;
let lastProbe = "";
let isFromLink = false; // the request in the form came with the address, and was not sent yet

async function compare(probe) {
  if (busy) {
    ignoredClicks += 1;
    say(`Still waiting for replies: ${ignoredClicks} click${ignoredClicks === 1 ? "" : "s"} ignored.`);
    return;
  }
  const bytes = new TextEncoder().encode(field.value);
  if (bytes.length > MAX_BYTES) {
    say(`Not sent: ${bytes.length.toLocaleString("en")} bytes. Daphne accepts at most ${MAX_BYTES.toLocaleString("en")}.`);
    return;
  }
  busy = true;
  ignoredClicks = 0;
  lastProbe = probe;
  isFromLink = false;
  form.ariaBusy = "true";
  const asked = chosen;
  const data = form.elements.binary.checked ? bytes : field.value;
  await Promise.all(asked.map((row) => settled(row.exhibit)));
  const outcomes = await Promise.all(asked.map((row) => row.request(data, probe)));
  busy = false;
  form.ariaBusy = "false";
  if (asked === chosen) showVerdict(asked, outcomes);
  else compare(probe); // another edition has been chosen
}

function showVerdict(rows, outcomes) {
  const groups = Map.groupBy(rows, (row) => outcomes[rows.indexOf(row)].text);
  if (groups.size === 1 && outcomes[0].replied) {
    const number = rows.length === 2 ? "both" : `all ${NUMBERS[rows.length] ?? rows.length}`;
    say(`${number} identical: ${shortened(outcomes[0].text)}`, "same");
    return;
  }
  const largestFirst = [...groups].sort(([, some], [, others]) => others.length - some.length);
  const parts = largestFirst.map(([text, group]) => `${names(group)}: ${shortened(text)}`);
  const replies = outcomes.filter(({ replied }) => replied).length;
  const number = `${NUMBERS[replies] ?? replies} of ${NUMBERS[rows.length] ?? rows.length} answered`;
  say(`${number}. ${parts.join(" · ")}`, "differ");
}

function names(group) {
  return group.map((row) => row.name).join(", ");
}

function shortened(text) {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function formatted(milliseconds) {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

function say(text, result = "") {
  verdict.textContent = text.charAt(0).toUpperCase() + text.slice(1);
  verdict.dataset.result = result;
}

// The request in the address. It is behind #, so that a browser sends it to no server before its user
// does: a link that sends would let anyone make the reader's browser send what they like.

function link(probe) {
  const parts = new URLSearchParams();
  if (probe) parts.set("probe", probe);
  else if (field.value.length <= MAX_LINKED) {
    parts.set("request", field.value);
    if (form.elements.binary.checked) parts.set("as", "binary");
  }
  history.replaceState(null, "", `${location.search || location.pathname}${parts.size ? `#${parts}` : ""}`);
}

// Fill the form from the address, if it has a request.
function fillFromLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const probe = parts.get("probe"), request = parts.get("request"), as = parts.get("as");
  const preset = probe && document.querySelector(`[data-probe="${CSS.escape(probe)}"]`);
  if (probe !== null && !preset) return void complain(`This page has no request “${probe}”.`);
  if (as !== null && !["text", "binary"].includes(as)) {
    return void complain(`A request is sent as text or as binary, not as “${as}”.`);
  }
  if (!preset && request === null) return;
  if (preset) choose(preset);
  else {
    field.value = request;
    form.elements.binary.checked = as === "binary";
  }
  lastProbe = preset ? probe : "";
  isFromLink = true;
  say("This request is from the link, and is not sent yet: press “Send to all”.");
}

function complain(text) {
  isFromLink = true; // nothing is sent in its place
  say(`The link is wrong. ${text}`);
}

function choose(preset) {
  field.value = preset.value;
  form.elements.binary.checked = "binary" in preset.dataset;
}

// What has not been changed since the link was opened is the link's probe still.
function probeInForm() {
  const preset = isFromLink && lastProbe && document.querySelector(`[data-probe="${CSS.escape(lastProbe)}"]`);
  const same = preset && preset.value === field.value && "binary" in preset.dataset === form.elements.binary.checked;
  return same ? lastProbe : "";
}

function send(probe) {
  if (!busy) link(probe);
  compare(probe);
}

addEventListener("hashchange", fillFromLink);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(probeInForm());
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.shiftKey || event.ctrlKey) return;
  event.preventDefault();
  form.requestSubmit();
});
for (const button of document.querySelectorAll("[data-probe]")) {
  button.addEventListener("click", () => {
    choose(button);
    send(button.dataset.probe);
  });
}

fillFromLink();
chosenEdition((edition) => {
  chosen = rows.filter((row) => row.element.dataset.edition === edition);
  for (const row of rows) row.shown = chosen.includes(row);
  if (isFromLink) return;
  say("");
  // The same request goes to the new edition.
  if (!busy) compare(lastProbe);
});
