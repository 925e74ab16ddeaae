// Rooms: several members of one room on one page, and who hears what.

import { Lost, exhibitAt } from "./exhibit.js";

const KEPT = 50; // messages of each member, the newest
const TOGETHER = 150; // milliseconds within which members hear the same thing

const form = document.querySelector("#room");
const status = document.querySelector("#status");

class Member {
  constructor(element) {
    this.element = element;
    this.name = element.querySelector(".type").textContent;
    this.present = element.querySelector("[name=present]");
    this.present.addEventListener("change", () => this.join(form.elements.room.value));
  }

  join(room) {
    this.leave();
    if (!this.present.checked) return;
    const url = this.element.dataset.url.replace("ROOM", encodeURIComponent(room));
    this.line = this.element.dataset.protocol === "http" ? this.#follow(url) : this.#connect(url);
  }

  leave() {
    this.line?.close();
    this.line = null;
    this.#say("closed", "not in the room");
  }

  async tell(text) {
    if (!this.line) throw new Lost("not in the room");
    await this.line.tell(text);
  }

  // Over HTTP, one hears through an event stream and speaks through requests of their own.
  #follow(url) {
    const stream = new EventSource(url);
    stream.onopen = () => this.#say("open", "following");
    stream.onmessage = ({ data }) => this.#hear(data);
    stream.onerror = () => {
      const gone = stream.readyState === EventSource.CLOSED;
      this.#say(gone ? "dead" : "waiting", gone ? "refused" : "lost; the browser reconnects");
    };
    this.#say("connecting", "connecting");
    return {
      close: () => stream.close(),
      tell: async (text) => {
        const response = await fetch(url, { method: "POST", body: text }).catch(() => {
          throw new Lost("the server does not answer");
        });
        if (!response.ok) this.#hear(await response.text());
      },
    };
  }

  #connect(url) {
    const exhibit = exhibitAt({ url, protocol: "websocket" }, { persistent: true });
    exhibit.addEventListener("state", () => this.#say(exhibit.state, exhibit.words));
    exhibit.addEventListener("message", ({ data }) => this.#hear(data));
    exhibit.connect();
    return { close: () => exhibit.disconnect(), tell: (text) => exhibit.tell(text) };
  }

  #hear(text) {
    const heard = document.createElement("li");
    heard.textContent = text;
    const list = this.element.querySelector("ol");
    list.prepend(heard);
    while (list.children.length > KEPT) list.lastChild.remove();
    announce(this.name, text);
  }

  #say(state, words) {
    this.element.dataset.state = state;
    this.element.querySelector(".state").textContent = words;
  }
}

const members = [...document.querySelectorAll("[data-url]")].map((element) => new Member(element));
const speaker = form.elements.speaker;

// One sentence for all who heard, not one for each.
let heard = { text: "", by: [], timer: 0 };

function announce(name, text) {
  clearTimeout(heard.timer);
  if (heard.text !== text) heard = { text, by: [] };
  heard.by.push(name);
  heard.timer = setTimeout(() => {
    status.textContent = `${text.slice(0, 200)} heard by ${heard.by.length}: ${heard.by.join(", ")}.`;
    heard = { text: "", by: [] };
  }, TOGETHER);
}

function join() {
  const room = form.elements.room;
  if (!room.reportValidity()) return;
  history.replaceState(null, "", `?room=${encodeURIComponent(room.value)}`);
  for (const member of members) member.join(room.value);
  status.textContent = `Joined ${room.value}.`;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (event.submitter?.value === "join") return join();
  const member = members.find(({ element }) => element.dataset.id === speaker.value);
  try {
    await member.tell(JSON.stringify({ message: form.elements.message.value }));
  } catch (lost) {
    if (!(lost instanceof Lost)) throw lost;
    status.textContent = `Not sent, ${member.name} is away: ${lost.message}.`;
  }
});
form.elements.room.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  join();
});

form.elements.room.value = new URLSearchParams(location.search).get("room") ?? "lobby";
join();
