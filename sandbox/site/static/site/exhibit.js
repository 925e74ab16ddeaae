// The connection to one exhibit: its state, its description for the reader, and round trips.
//
// All classes dispatch "state" whenever their state changes.

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

const REPLY_TIMEOUT = 10_000; // milliseconds
const BACKOFF = [0.5, 1, 2, 4, 8, 15, 30]; // seconds before each attempt to reconnect

// There is no reply. The message says what happened instead; `raised` means that the consumer raised
// an exception, as far as the server shows it.
export class RequestFailed extends Error {
  constructor(message, { raised = false } = {}) {
    super(message);
    this.raised = raised;
  }
}

export function exhibitAt({ url, protocol }, options) {
  return protocol === "http" ? new HttpExhibit(url) : new WebSocketExhibit(url, options);
}

// The connection of one member of a room: each message that the member receives is a "message" event.
export function memberAt({ url, protocol }) {
  return protocol === "http" ? new EventStreamMember(url) : new WebSocketExhibit(url, { persistent: true });
}

// Resolves once an attempt to connect has succeeded or failed.
export function settled(exhibit) {
  if (exhibit.state !== "connecting") return;
  return new Promise((resolve) => exhibit.addEventListener("state", resolve, { once: true }));
}

class WebSocketExhibit extends EventTarget {
  state = "closed";
  description = "not connected";
  #socket = null;
  #pending = []; // requests without a reply, oldest first: replies keep the order of the requests
  #attempts = 0;
  #timer;

  // A connection that ended because of a request is not opened again, unless it is persistent.
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
    this.#detach();
    const socket = (this.#socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#setState("open", "open");
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#timer = setTimeout(() => this.#timedOut(), REPLY_TIMEOUT); // browsers wait for minutes
    this.#setState("connecting", "connecting");
  }

  disconnect() {
    const socket = this.#socket;
    this.#detach();
    socket?.close(1000);
    this.#rejectPending("disconnected");
    this.#setState("closed", "not connected");
  }

  request(data) {
    if (!this.ready) return Promise.reject(new RequestFailed(this.description));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#timedOut(), REPLY_TIMEOUT);
      this.#pending.push({ resolve, reject, timer, sent: performance.now() });
      this.#socket.send(data);
    });
  }

  // For consumers that do not reply to each message: each message received is a "message" event.
  send(data) {
    if (!this.ready) throw new RequestFailed(this.description);
    this.#socket.send(data);
  }

  #receive(text) {
    this.#attempts = 0; // not on open: a server may accept a connection and close it at once
    const request = this.#pending.shift();
    if (!request) {
      this.dispatchEvent(new MessageEvent("message", { data: text }));
      return;
    }
    clearTimeout(request.timer);
    request.resolve({ text, milliseconds: performance.now() - request.sent });
  }

  #timedOut() {
    // A late reply would be taken for the reply to the next request.
    const socket = this.#socket;
    this.#detach();
    socket.close(1000);
    this.#ended(`no reply within ${REPLY_TIMEOUT / 1000} s`);
  }

  #closed(code) {
    this.#detach();
    this.#ended(`closed ${code}: ${CLOSE_CODES[code] ?? "unknown"}`, { raised: code === 1011 });
  }

  #ended(description, { raised = false } = {}) {
    const requestFailed = raised || this.#pending.length > 0;
    this.#rejectPending(description, { raised });
    if (this.persistent || !requestFailed) this.#retry(description);
    else this.#setState("broken", description);
  }

  #retry(description) {
    const seconds = BACKOFF[this.#attempts++];
    if (seconds === undefined) {
      this.#attempts = 0;
      this.#setState("broken", `${description}; gave up after ${BACKOFF.length} attempts`);
      retrying.add(this);
      return;
    }
    this.#timer = setTimeout(() => this.connect(), seconds * 1000);
    this.#setState("retrying", `${description}; next attempt in ${seconds} s`);
    retrying.add(this);
  }

  #rejectPending(description, cause) {
    for (const { reject, timer } of this.#pending.splice(0)) {
      clearTimeout(timer);
      reject(new RequestFailed(description, cause));
    }
  }

  #detach() {
    clearTimeout(this.#timer);
    retrying.delete(this);
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
  }

  #setState(state, description) {
    Object.assign(this, { state, description });
    this.dispatchEvent(new Event("state"));
  }
}

class HttpExhibit extends EventTarget {
  state = "closed";
  description = "not connected";
  #disconnected = new AbortController();

  constructor(url) {
    super();
    this.url = new URL(url, location.href);
  }

  // There is no connection to lose: after a failure the next request may succeed.
  get ready() {
    return this.state !== "closed";
  }

  connect() {
    this.#setState("open", "ready");
  }

  disconnect() {
    this.#disconnected.abort();
    this.#disconnected = new AbortController();
    this.#setState("closed", "not connected");
  }

  async request(data) {
    const sent = performance.now();
    const disconnected = this.#disconnected.signal;
    let response, text;
    try {
      const signal = AbortSignal.any([disconnected, AbortSignal.timeout(REPLY_TIMEOUT)]);
      response = await fetch(this.url, { method: "POST", body: data, signal });
      text = await response.text();
    } catch (error) {
      if (disconnected.aborted) throw new RequestFailed("disconnected");
      const late = error.name === "TimeoutError";
      const description = late ? `no reply within ${REPLY_TIMEOUT / 1000} s` : "the server does not answer";
      this.#setState("failed", description);
      throw new RequestFailed(description);
    }
    const status = `${response.status} ${response.statusText}`.trim();
    // An echo answers even errors in JSON; any other content type comes from the server.
    const replied = response.headers.get("Content-Type")?.startsWith("application/json");
    this.#setState(replied ? "open" : "failed", status);
    if (!replied) throw new RequestFailed(status, { raised: response.status === 500 });
    return { text, milliseconds: performance.now() - sent };
  }

  #setState(state, description) {
    Object.assign(this, { state, description });
    this.dispatchEvent(new Event("state"));
  }
}

// Over HTTP, a member receives an event stream and sends with requests.
class EventStreamMember extends EventTarget {
  state = "closed";
  description = "not connected";
  #stream = null;

  constructor(url) {
    super();
    this.url = new URL(url, location.href);
  }

  connect() {
    const stream = (this.#stream = new EventSource(this.url));
    stream.onopen = () => this.#setState("open", "open");
    stream.onmessage = ({ data }) => this.#receive(data);
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) this.#setState("broken", "refused");
      else this.#setState("retrying", "connection lost; the browser reconnects");
    };
    this.#setState("connecting", "connecting");
  }

  disconnect() {
    this.#stream?.close();
    this.#setState("closed", "not connected");
  }

  async send(data) {
    const response = await fetch(this.url, { method: "POST", body: data }).catch(() => {
      throw new RequestFailed("the server does not answer");
    });
    if (!response.ok) this.#receive(await response.text());
  }

  #receive(data) {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  #setState(state, description) {
    Object.assign(this, { state, description });
    this.dispatchEvent(new Event("state"));
  }
}

// Lost connections. When the network or the tab is back, they are opened at once, without
// waiting for the backoff.
const retrying = new Set();

function retryNow() {
  if (document.visibilityState === "visible") for (const exhibit of [...retrying]) exhibit.connect();
}
addEventListener("online", retryNow);
document.addEventListener("visibilitychange", retryNow);
