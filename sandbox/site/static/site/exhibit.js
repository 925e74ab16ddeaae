// One exhibit as the page sees it: a state in words, and round trips.
//
// Both classes have the same few methods, and dispatch "state" whenever their state changes.

const CLOSE_CODES = {
  1000: "normal",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no code given",
  1006: "connection lost",
  1007: "invalid data",
  1008: "policy violation",
  1009: "message too big",
  1010: "extension missing",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1015: "TLS failure",
};

const PATIENCE = 10_000; // milliseconds until a reply counts as missing
const BACKOFF = [0.5, 1, 2, 4, 8, 15, 30]; // seconds before each attempt; then it waits to be asked

// Instead of a reply. The message says what was seen; `raised`, that an exception in the consumer was
// the cause. (Some servers do not tell.)
export class Lost extends Error {
  constructor(message, { raised = false } = {}) {
    super(message);
    this.raised = raised;
  }
}

export function exhibitAt({ url, protocol }, options) {
  return protocol === "http" ? new HttpExhibit(url) : new WebSocketExhibit(url, options);
}

// Resolves once an exhibit is connected, or has failed to.
export function settled(exhibit) {
  if (exhibit.state !== "connecting") return;
  return new Promise((resolve) => exhibit.addEventListener("state", resolve, { once: true }));
}

class WebSocketExhibit extends EventTarget {
  state = "closed";
  words = "not connected";
  #socket = null;
  #owed = []; // replies to come, oldest first: they keep the order of the requests
  #attempts = 0;
  #timer;

  // A connection that died of a request stays dead, for all to see, unless it is persistent.
  constructor(url, { persistent = false } = {}) {
    super();
    this.url = new URL(url, location.href.replace(/^http/, "ws"));
    this.persistent = persistent;
  }

  get ready() {
    return this.state === "open";
  }

  connect() {
    if (this.state === "open" || this.state === "connecting") return;
    this.#forget();
    const socket = (this.#socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#say("open", "open");
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#say("connecting", "connecting");
  }

  disconnect() {
    const socket = this.#socket;
    this.#forget();
    socket?.close(1000);
    this.#fail("disconnected");
    this.#say("closed", "not connected");
  }

  send(data) {
    if (!this.ready) return Promise.reject(new Lost(this.words));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#timedOut(), PATIENCE);
      this.#owed.push({ resolve, reject, timer, sent: performance.now() });
      this.#socket.send(data);
    });
  }

  // For consumers that do not answer each message: what comes, comes as a "message" event.
  tell(data) {
    if (!this.ready) throw new Lost(this.words);
    this.#socket.send(data);
  }

  #receive(text) {
    this.#attempts = 0; // not on open: a server may accept, only to close at once
    const owed = this.#owed.shift();
    if (!owed) {
      this.dispatchEvent(new MessageEvent("message", { data: text }));
      return;
    }
    clearTimeout(owed.timer);
    owed.resolve({ text, milliseconds: performance.now() - owed.sent });
  }

  #timedOut() {
    // A reply that came later would be taken for the next one's.
    const socket = this.#socket;
    this.#forget();
    socket.close(1000);
    this.#end(`no reply within ${PATIENCE / 1000} s`);
  }

  #closed(code) {
    this.#forget();
    this.#end(`closed ${code}: ${CLOSE_CODES[code] ?? "unknown"}`, { raised: code === 1011 });
  }

  #end(words, { raised = false } = {}) {
    const died = raised || this.#owed.length > 0;
    this.#fail(words, { raised });
    if (this.persistent || !died) this.#retry(words);
    else this.#say("dead", words);
  }

  #retry(words) {
    const seconds = BACKOFF[this.#attempts++];
    if (seconds === undefined) {
      this.#attempts = 0;
      this.#say("dead", `${words}; gave up after ${BACKOFF.length} attempts`);
      waiting.add(this);
      return;
    }
    this.#timer = setTimeout(() => this.connect(), seconds * 1000);
    this.#say("waiting", `${words}; next attempt in ${seconds} s`);
    waiting.add(this);
  }

  #fail(words, cause) {
    for (const { reject, timer } of this.#owed.splice(0)) {
      clearTimeout(timer);
      reject(new Lost(words, cause));
    }
  }

  #forget() {
    clearTimeout(this.#timer);
    waiting.delete(this);
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
  }

  #say(state, words) {
    Object.assign(this, { state, words });
    this.dispatchEvent(new Event("state"));
  }
}

class HttpExhibit extends EventTarget {
  state = "closed";
  words = "not connected";

  constructor(url) {
    super();
    this.url = new URL(url, location.href);
  }

  // There is no connection to lose: after a failure the next request may succeed.
  get ready() {
    return this.state !== "closed";
  }

  connect() {
    this.#say("open", "a request each");
  }

  disconnect() {
    this.#say("closed", "not connected");
  }

  async send(data) {
    const sent = performance.now();
    let response, text;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      response = await fetch(this.url, { method: "POST", body: data, signal });
      text = await response.text();
    } catch (error) {
      const late = error.name === "TimeoutError";
      const words = late ? `no reply within ${PATIENCE / 1000} s` : "the server does not answer";
      this.#say("failed", words);
      throw new Lost(words);
    }
    const status = `${response.status} ${response.statusText}`.trim();
    // The echo answers every error in JSON; anything else is the server speaking.
    const replied = response.headers.get("Content-Type")?.startsWith("application/json");
    this.#say(replied ? "open" : "failed", status);
    if (!replied) throw new Lost(status, { raised: response.status === 500 });
    return { text, milliseconds: performance.now() - sent };
  }

  #say(state, words) {
    Object.assign(this, { state, words });
    this.dispatchEvent(new Event("state"));
  }
}

// Those that wait for a server. Back from a closed lid or a lost network, nobody wants to sit out a
// backoff, or to find that they gave up.
const waiting = new Set();

function hurry() {
  if (document.visibilityState === "visible") for (const exhibit of [...waiting]) exhibit.connect();
}
addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);
