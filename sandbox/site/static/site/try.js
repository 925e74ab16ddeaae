// Try: one connection to the recommended exhibit, made when the first message is sent.

import { RequestFailed, exhibitAt, memberAt, settled } from "./exhibit.js";
import { prepend } from "./list.js";

const form = document.querySelector("#try");
const replies = document.querySelector("#replies");
const isMember = "room" in form.dataset; // what is sent comes to all members, and is no reply
const exhibit = isMember ? memberAt(form.dataset) : exhibitAt(form.dataset);

form.hidden = replies.hidden = false;
exhibit.addEventListener("state", () => {
  form.dataset.state = exhibit.state;
  form.querySelector(".state").textContent = exhibit.description;
});
exhibit.addEventListener("message", ({ data }) => prepend(replies, data));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = JSON.stringify({ message: form.elements.message.value });
  try {
    if (["closed", "broken"].includes(exhibit.state)) exhibit.connect();
    await settled(exhibit);
    if (isMember) return void (await exhibit.send(text));
    const reply = await exhibit.request(text);
    prepend(replies, `${reply.text} after ${reply.milliseconds.toFixed(1)} ms`);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    prepend(replies, `Not answered: ${error.message}.`);
  }
});
