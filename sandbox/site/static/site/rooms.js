// Rooms: several members of one room on one page.

import { RequestFailed, memberAt } from "./exhibit.js";
import { prepend } from "./list.js";
import { Presence } from "./presence.js";

const TOGETHER = 150; // milliseconds: members that receive the same text within them are one sentence

const form = document.querySelector("#message");
const room = document.querySelector("#join").elements.room;
const joined = room.dataset.joined;
const status = document.querySelector("#status");

class Member {
  constructor(element) {
    this.element = element;
    this.id = element.dataset.id;
    this.name = element.querySelector(".type").textContent;
    this.present = element.querySelector("[name=present]");
    this.present.addEventListener("change", () => this.update());
    this.connection = memberAt(element.dataset);
    this.connection.addEventListener("state", () => this.#showState());
    this.connection.addEventListener("message", ({ data }) => this.#receive(data));
  }

  update() {
    if (this.present.checked) this.connection.connect();
    else this.connection.disconnect();
  }

  async send(text) {
    if (!this.present.checked) throw new RequestFailed("not in the room");
    await this.connection.send(text);
  }

  #receive(text) {
    prepend(this.element.querySelector("ol"), text);
    announce(this.name, text);
  }

  #showState() {
    const { state, description } = this.connection;
    const wasMember = this.element.dataset.state === "open";
    this.element.dataset.state = state;
    this.element.querySelector(".state").textContent = state === "closed" ? "not in the room" : description;
    if (state === "open") presence.changed(`${this.name} joined`);
    else if (wasMember) presence.changed(`${this.name} left${state === "closed" ? "" : `: ${description}`}`);
  }
}

const members = [...document.querySelectorAll("[data-url]")].map((element) => new Member(element));

const presence = new Presence(
  document.querySelector("#presence"),
  () => members.filter(({ connection }) => connection.state === "open").length,
);

// One sentence for all members that receive a message, not one for each.
let received = { text: "", by: new Set(), timer: 0 };

function announce(name, text) {
  clearTimeout(received.timer);
  if (received.text !== text) received = { text, by: new Set() };
  received.by.add(name);
  received.timer = setTimeout(() => {
    status.textContent = `${text.slice(0, 200)} received by ${received.by.size}: ${[...received.by].join(", ")}.`;
    received = { text: "", by: new Set() };
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
  const sender = members.find(({ id }) => id === form.elements.sender.value);
  try {
    await sender.send(JSON.stringify({ message: form.elements.message.value }));
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    status.textContent = `Not sent by ${sender.name}: ${error.message}.`;
  }
});

// An event stream is opened when its box is ticked, not before: a program that waits until a page has
// loaded, to take a picture of it, would wait for the end of the stream.
for (const member of members) if (member.present.checked) member.update();
