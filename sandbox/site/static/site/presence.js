// Presence: who joins and leaves a room, this page's own members by name, all others by number.

import { exhibitAt } from "./exhibit.js";
import { prepend } from "./list.js";

const SETTLED = 700; // milliseconds

export class Presence {
  #inRoom = null; // how many the server has, as it said last
  #others = null; // of them, how many are not of this page; null before that is known
  #timer = 0;

  constructor(element, countOwn) {
    this.element = element;
    this.countOwn = countOwn;
    this.server = exhibitAt({ url: element.dataset.watch, protocol: "websocket" }, { persistent: true });
    this.server.addEventListener("message", ({ data }) => {
      this.#inRoom = JSON.parse(data).members;
      this.#timer ||= setTimeout(() => this.#count(), SETTLED);
    });
    this.server.addEventListener("state", () => {
      if (this.server.state !== "open") this.#inRoom = this.#others = null;
      this.#show();
    });
    this.server.connect();
  }

  // A member of this page joined or left. The server and this page see that at different moments, so
  // the others are counted when both have.
  changed(text) {
    this.#record(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#count(), SETTLED);
  }

  #count() {
    this.#timer = 0;
    if (this.#inRoom === null) return;
    const others = Math.max(0, this.#inRoom - this.countOwn());
    const change = others - (this.#others ?? others);
    this.#others = others;
    if (change) this.#record(`${number(Math.abs(change))} ${change > 0 ? "joined" : "left"}`);
    this.#show();
  }

  #record(text) {
    prepend(this.element.querySelector("ol"), `${new Date().toLocaleTimeString("en-GB")} ${text}`);
    this.#show();
  }

  #show() {
    const others = this.#others === null ? "others not counted yet" : `${this.#others} other${this.#others === 1 ? "" : "s"}`;
    this.element.querySelector(".count").textContent = `${this.countOwn()} of this page, ${others}`;
  }
}

function number(change) {
  return change === 1 ? "Another member" : `${change} other members`;
}
