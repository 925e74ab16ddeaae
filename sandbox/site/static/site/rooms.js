// Rooms: several members of one room on one page.

import { RequestFailed, exhibitAt } from "./exhibit.js";

const MAX_MESSAGES = 50; // of each member, the newest
const TOGETHER = 150; // milliseconds: members that receive the same text within them are one sentence

const form = document.querySelector("#message");
const room = document.querySelector("#join").elements.room;
const joined = room.dataset.joined;
const status = document.querySelector("#status");

class Member {
  constructor(element) {
    this.element = element;
    this.name = element.querySelector(".type").textContent;
    this.present = element.querySelector("[name=present]");
    this.present.addEventListener("change", () => (this.present.checked ? this.join() : this.leave()));
  }

  join() {
    const { url, protocol } = this.element.dataset;
    this.connection = protocol === "http" ? this.#openStream(url) : this.#openWebSocket(url);
  }

  leave() {
    this.connection.close();
    this.connection = null;
    this.#setState("closed", "not in the room");
  }

  async send(text) {
    if (!this.connection) throw new RequestFailed("not in the room");
    await this.connection.send(text);
  }

  // Over HTTP, a member receives an event stream and sends with requests.
  #openStream(url) {
    const stream = new EventSource(url);
    stream.onopen = () => this.#setState("open", "open");
    stream.onmessage = ({ data }) => this.#receive(data);
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) this.#setState("broken", "refused");
      else this.#setState("retrying", "connection lost; the browser reconnects");
    };
    this.#setState("connecting", "connecting");
    return {
      close: () => stream.close(),
      send: async (text) => {
        const response = await fetch(url, { method: "POST", body: text }).catch(() => {
          throw new RequestFailed("the server does not answer");
        });
        if (!response.ok) this.#receive(await response.text());
      },
    };
  }

  #openWebSocket(url) {
    const exhibit = exhibitAt({ url, protocol: "websocket" }, { persistent: true });
    exhibit.addEventListener("state", () => this.#setState(exhibit.state, exhibit.description));
    exhibit.addEventListener("message", ({ data }) => this.#receive(data));
    exhibit.connect();
    return { close: () => exhibit.disconnect(), send: (text) => exhibit.send(text) };
  }

  #receive(text) {
    const item = document.createElement("li");
    item.textContent = text;
    const list = this.element.querySelector("ol");
    list.prepend(item);
    while (list.children.length > MAX_MESSAGES) list.lastChild.remove();
    announce(this.name, text);
  }

  #setState(state, description) {
    this.element.dataset.state = state;
    this.element.querySelector(".state").textContent = description;
  }
}

const members = [...document.querySelectorAll("[data-url]")].map((element) => new Member(element));

// One sentence for all members that receive a message, not one for each.
let received = { text: "", by: [], timer: 0 };

function announce(name, text) {
  clearTimeout(received.timer);
  if (received.text !== text) received = { text, by: [] };
  received.by.push(name);
  received.timer = setTimeout(() => {
    status.textContent = `${text.slice(0, 200)} received by ${received.by.length}: ${received.by.join(", ")}.`;
    received = { text: "", by: [] };
  }, TOGETHER);
}

// The room that is typed is joined by the form's own GET request, which opens that room's page.
room.addEventListener("input", () => {
  status.textContent =
    room.value === joined
      ? `You have joined ${joined}.`
      : `You are still in ${joined}. Press Join to join ${room.value || "another room"}.`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (room.value !== joined) {
    status.textContent = `Not sent: you have joined ${joined}, not ${room.value || "another room"}. Press Join first.`;
    return;
  }
  const sender = members.find(({ element }) => element.dataset.id === form.elements.sender.value);
  try {
    await sender.send(JSON.stringify({ message: form.elements.message.value }));
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    status.textContent = `Not sent by ${sender.name}: ${error.message}.`;
  }
});

for (const member of members) member.join();
