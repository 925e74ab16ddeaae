// Scope: open one connection to each consumer, and show the scope that it sends back.

const SIGNED_OUT = 4401;

for (const element of document.querySelectorAll("[data-url]")) {
  const { url, protocol } = element.dataset;
  const showState = (state) => (element.querySelector(".state").textContent = state);
  const answer = protocol === "http" ? askOverHttp(url) : askOverWebSocket(url, showState);
  answer.then(
    (text) => show(element, indented(JSON.parse(text))),
    (error) => show(element, `No answer: ${error.message}`),
  );
}

async function askOverHttp(url) {
  return (await fetch(url)).text();
}

// The WebSocket stays open, until the server closes it when the user has signed out.
function askOverWebSocket(url, showState) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL(url, location.href.replace(/^http/, "ws")));
    socket.onopen = () => showState("open");
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code }) => {
      showState(code === SIGNED_OUT ? `closed ${code}: signed out` : `closed ${code}`);
      reject(new Error(`closed ${code}`));
    };
  });
}

// Indented, but with the innermost arrays, such as a header and its value, on one line.
function indented(value) {
  return JSON.stringify(value, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => {
    return `[${items.replace(/\n\s*/g, " ")}]`;
  });
}

function show(element, text) {
  element.querySelector("pre code").textContent = text;
}
