// The matrix: filters and cells of a result, both in the address (behind #, so that a report that is
// a file on a disk has them as well).

document.querySelector("#scriptless").remove();
const message = document.querySelector("#found");
const result = await load();
const NUMERALS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SIGNS = { same: "✓", differs: "✗", "n/a": "-" };
const DIFFERENT = ["declared", "differs"];

const form = document.querySelector("#filter");
const tables = document.querySelector("#tables");
const dialog = document.querySelector("#cell");
const targets = result.targets.map(({ name }) => name);
const here = new Map(result.targets.filter(({ environment }) => !environment).map(({ server, name }) => [server, name]));
const editions = result.editions.map(({ name }) => name);
const probes = new Map(result.probes.map((probe) => [probe.id, probe]));
const changes = new Map((result.changes?.rows ?? []).flatMap((row) => row.places.map((place) => [String(place), row])));

// A report has its result in itself. The site's page loads its own only now that it can be painted.
async function load() {
  const inPage = document.querySelector("#result");
  if (inPage) return JSON.parse(inPage.textContent);
  message.textContent = "The cells are being loaded …";
  try {
    return await (await fetch("result.json")).json();
  } catch (error) {
    message.textContent = "The cells could not be loaded. Load the page again.";
    throw error;
  }
}

// What the address says, and what of it makes no sense.
function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { show: "", edition: editions[0], server: "", versions: "", group: "", word: "" };
  const unknown = [];
  for (const name of Object.keys(state)) {
    const value = given.get(name);
    if (value === null) continue;
    const choices = form.elements[name].options;
    const known = !choices || [...choices].some((option) => option.value === value);
    if (known) state[name] = value;
    else unknown.push(`There is no ${name} “${value}” here.`);
  }
  let cell = null;
  if (given.has("cell")) {
    cell = { probe: given.get("cell"), exhibit: given.get("of") ?? "", target: given.get("on") ?? "" };
    if (!outcome(cell)) {
      unknown.push(`There is no cell “${cell.probe}” of “${cell.exhibit}” on “${cell.target}” here.`);
      cell = null;
    } else if (!given.has("edition")) {
      state.edition = cell.exhibit.split("/")[0];
    }
  }
  return { state, cell, unknown };
}

function address(state, cell) {
  const kept = Object.entries(state).filter(([name, value]) => value && !(name === "edition" && value === editions[0]));
  if (cell) kept.push(["cell", cell.probe], ["of", cell.exhibit], ["on", cell.target]);
  if (cell && !kept.some(([name]) => name === "edition")) kept.push(["edition", state.edition]);
  return `#${new URLSearchParams(kept)}`;
}

function outcome({ probe, exhibit, target }) {
  const row = probes.get(probe)?.cells[targets.indexOf(target)];
  const place = NUMERALS.indexOf(row?.[result.exhibits.indexOf(exhibit)] ?? ".");
  return place < 0 ? undefined : probes.get(probe).outcomes[place];
}

function change({ probe, exhibit, target }) {
  return changes.get(String([target, exhibit, probe]));
}

// Whether other versions show something else in a cell than the ones that are installed here.
function isOfVersion({ probe, exhibit, target }) {
  const { server, environment } = result.targets[targets.indexOf(target)];
  const [now, usual] = [target, here.get(server)].map((name) => outcome({ probe, exhibit, target: name }));
  return environment !== "" && ["verdict", "sum"].some((name) => now?.[name] !== usual?.[name]);
}

// The columns: what is compared with what is here needs both.
function columnsOf({ show, server, versions }) {
  const chosen = versions === "" && show === "versions" ? "all" : versions;
  return result.targets
    .filter((target) => !server || target.server === server)
    .filter(({ environment }) => chosen === "all" || environment === chosen || (show === "versions" && !environment))
    .map(({ name }) => name);
}

// An element with attributes and children; texts are texts.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function showTables(state) {
  const shown = state.edition === "all" ? editions : [state.edition];
  const columns = columnsOf(state);
  const found = { probes: new Set(), cells: 0, notes: new Set() };
  const parts = shown.map((edition) => tableOf(edition, columns, state, found));
  tables.replaceChildren(...parts.filter(Boolean));
  const first = tables.querySelector("td a");
  if (first) first.tabIndex = 0;
  // The notes are those of the cells above them.
  for (const note of document.querySelectorAll(".notes [value]")) note.hidden = !found.notes.has(note.value);
  return found;
}

function tableOf(edition, columns, state, found) {
  const exhibits = result.exhibits.filter((exhibit) => exhibit.startsWith(`${edition}/`));
  const bodies = Map.groupBy(result.probes, ({ group }) => group);
  const sections = [];
  for (const [group, members] of bodies) {
    const rows = members.map((probe) => rowOf(probe, exhibits, columns, state, found)).filter(Boolean);
    if (!rows.length) continue;
    const heading = make("th", { scope: "rowgroup", colspan: columns.length + 1, class: "group" }, group);
    sections.push(make("tbody", {}, make("tr", {}, heading), ...rows));
  }
  if (!sections.length) return null;
  const slugs = exhibits.map((exhibit) => exhibit.split("/")[1]);
  const head = columns.map((target) => make("th", { scope: "col" }, ...headingOf(target),
    make("span", { class: "slugs", "aria-hidden": "true" }, ...slugs.map((slug) => make("span", {}, slug)))));
  return make("section", { class: "edition", "aria-label": edition },
    make("h3", {}, edition),
    make("p", { class: "order" }, `In this order: ${slugs.join(", ")}.`),
    make("div", { class: "wide" }, make("table", { class: "cells" },
      make("thead", {}, make("tr", {}, make("td"), ...head)), ...sections)));
}

function headingOf(target) {
  const { server, environment } = result.targets[targets.indexOf(target)];
  return environment ? [server, make("small", {}, environment)] : [server];
}

function rowOf(probe, exhibits, columns, state, found) {
  if (state.group && probe.group !== state.group) return null;
  const cells = columns.map((target) => exhibits
    .map((exhibit) => ({ probe: probe.id, exhibit, target }))
    .map((cell) => ({ ...cell, outcome: outcome(cell) })));
  const asked = cells.flat().filter((cell) => cell.outcome);
  if (!asked.length) return null;
  if (state.show === "" && !asked.some((cell) => DIFFERENT.includes(cell.outcome.verdict))) return null;
  if (state.show === "changed" && !asked.some(change)) return null;
  if (state.show === "versions" && !asked.some(isOfVersion)) return null;
  if (state.word && !mentions(probe, asked, state.word.toLowerCase())) return null;
  found.probes.add(probe.id);
  found.cells += asked.length;
  for (const cell of asked) found.notes.add(cell.outcome.note);
  const name = make("th", { scope: "row" }, probe.id, make("small", {}, probe.sentence));
  return make("tr", {}, name, ...cells.map((group, place) => make("td", { "data-target": columns[place] },
    make("span", { class: "signs" }, ...group.map((cell) => cell.outcome ? linkOf(cell, state) : make("span"))))));
}

function mentions(probe, cells, word) {
  const outcomes = new Set(cells.map((cell) => cell.outcome));
  const texts = [probe.id, probe.sentence, probe.group, probe.contract, ...cells.map(({ exhibit }) => exhibit)];
  for (const { seen, note, because, details } of outcomes) {
    texts.push(seen ?? "", because ?? "", result.notes[note - 1] ?? "", ...(details ?? []));
  }
  return texts.some((text) => text.toLowerCase().includes(word));
}

function linkOf(cell, state) {
  const { verdict, note } = cell.outcome;
  const words = verdict === "declared" ? `declared, note ${note}` : verdict;
  const changed = change(cell);
  const name = `${cell.exhibit} on ${cell.target}: ${words}${changed ? `, ${changed.kind}` : ""}`;
  return make("a", {
    href: address(state, cell),
    class: `sign ${verdict.replace("/", "")}${changed ? " changed" : ""}`,
    "aria-label": `${cell.probe}, ${name}`,
    title: name,
    tabindex: "-1",
  }, SIGNS[verdict] ?? String(note));
}

function showCell(cell) {
  const { probe, exhibit, target } = cell;
  const { sentence, contract } = probes.get(probe);
  const { verdict, seen, note, because, details, of, log = [], more } = outcome(cell);
  const options = result.targets[targets.indexOf(target)].options;
  const alike = result.targets.flatMap(({ name }) => result.exhibits
    .map((other) => ({ probe, exhibit: other, target: name }))
    .filter((other) => outcome(other) === outcome(cell)));
  fill("probe", probe);
  fill("sentence", sentence);
  fill("where", `${exhibit} on ${target}`);
  fill("verdict", verdict === "declared" ? `declared, note ${note}` : verdict);
  part("verdict").className = verdict.replace("/", "");
  fill("contract", contract);
  fill("seen", seen);
  fill("before", change(cell)?.before);
  fill("because", because ?? result.notes[note - 1]);
  fill("details", details?.join(" / "));
  fill("alike", alike.length > 1 ? `${alike.length} cells: ${summary(alike)}` : "");
  part("log").hidden = !log.length;
  if (of && (of[0] !== target || of[1] !== exhibit)) fill("of", `Of ${of[1]} on ${of[0]}, which showed the same.`);
  else fill("of", "");
  fill("more", more ? `… and ${more} more frames: compare --json has them all.` : "");
  const several = log.some(([, connection]) => connection > 1);
  part("log").querySelector("tbody").replaceChildren(...log.map(([milliseconds, connection, number]) => {
    const [sent, kind, size, excerpt] = result.frames[number];
    const frame = `${several ? `${connection} ` : ""}${sent ? "→" : "←"} ${kind}`;
    return make("tr", { class: sent ? "sent" : "received" }, make("td", {}, String(milliseconds)), make("td", {}, frame),
      make("td", {}, String(size)), make("td", {}, make("pre", {}, excerpt.replace(/\r\n\r\n$/, ""))));
  }));
  fill("command", `.venv/bin/python manage.py compare ${exhibit} ${options} --probe ${probe}`);
  if (!dialog.open) dialog.showModal();
  part("probe").focus();
}

function part(name) {
  return dialog.querySelector(`#cell-${name}`);
}

// An entry without a text is not shown, nor is its name.
function fill(name, text = "") {
  const element = part(name);
  element.textContent = text;
  const entry = element.closest("dd") ?? element;
  entry.hidden = !text;
  if (entry.matches("dd")) entry.previousElementSibling.hidden = !text;
}

// Where cells are: by target, and all of an edition together.
function summary(cells) {
  const byTarget = Map.groupBy(cells, ({ target }) => target);
  const texts = [...byTarget].map(([target, members]) => {
    const byEdition = Map.groupBy(members, ({ exhibit }) => exhibit.split("/")[0]);
    const names = [...byEdition].map(([edition, some]) => {
      const all = result.exhibits.filter((exhibit) => exhibit.startsWith(`${edition}/`));
      if (some.length === all.length) return edition;
      const slugs = some.map(({ exhibit }) => exhibit.split("/")[1]);
      const websockets = all.filter((exhibit) => exhibit.endsWith("websocket"));
      const named = slugs.length === websockets.length && slugs.every((slug) => slug.endsWith("websocket"));
      return `${edition}/${named ? "*websocket" : slugs.join(` ${edition}/`)}`;
    });
    return [target, names.join(", ")];
  });
  return [...Map.groupBy(texts, ([, names]) => names)]
    .map(([names, same]) => `${names} on ${same.map(([target]) => target).join(", ")}`).join("; ");
}

function show() {
  const { state, cell, unknown } = fromAddress();
  for (const [name, value] of Object.entries(state)) {
    if (form.elements[name].value !== value) form.elements[name].value = value;
  }
  const key = JSON.stringify(state);
  if (key !== show.last) {
    const { probes, cells } = showTables(state);
    show.said = cells
      ? `${probes.size} of ${result.probes.length} probes, ${cells.toLocaleString("en")} ${cells === 1 ? "cell" : "cells"}.`
      : `No probe ${{ "": "differs", changed: "changed", versions: "shows something else with other versions" }[state.show] ?? "is"} here${state.word || state.group ? " with this filter" : state.show ? "" : ": every cell is as the contract says"}.`;
    show.last = key;
  }
  message.textContent = [...unknown, show.said].join(" ");
  if (cell) showCell(cell);
  else if (dialog.open) dialog.close();
}

function filtered() {
  const state = Object.fromEntries(["show", "edition", "server", "versions", "group", "word"].map((name) => [name, form.elements[name].value.trim()]));
  history.replaceState(null, "", address(state));
  show();
}

form.addEventListener("input", filtered);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  history.replaceState(null, "", "#");
  show();
});
addEventListener("hashchange", () => {
  show();
  // A link of the overview or of a note leads to what it has filtered.
  if (!dialog.open && location.hash.includes("=")) document.querySelector("#matrix").scrollIntoView();
});
dialog.addEventListener("close", () => {
  const { state, cell } = fromAddress();
  if (!cell) return;
  history.replaceState(null, "", address(state));
  const link = [...tables.querySelectorAll("td a")].find((one) => one.getAttribute("href") === address(state, cell));
  if (link) focusOn(link);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // next to it
});

// One Tab stop for all cells: the arrow keys go from one to the next.
function focusOn(link) {
  for (const other of tables.querySelectorAll('td a[tabindex="0"]')) other.tabIndex = -1;
  link.tabIndex = 0;
  link.focus();
}

tables.addEventListener("keydown", (event) => {
  const row = event.target.closest("td a") && event.target.closest("tr");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const inRow = [...row.querySelectorAll("td a")];
  const place = inRow.indexOf(event.target);
  const rows = [...tables.querySelectorAll("tr:has(td a)")];
  const above = rows[rows.indexOf(row) - 1], below = rows[rows.indexOf(row) + 1];
  const inside = (other) => [...(other?.querySelectorAll("td a") ?? [])];
  const next = {
    ArrowLeft: inRow[place - 1],
    ArrowRight: inRow[place + 1],
    ArrowUp: inside(above)[place] ?? inside(above).at(-1),
    ArrowDown: inside(below)[place] ?? inside(below).at(-1),
    Home: inRow[0],
    End: inRow.at(-1),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  focusOn(next);
});

form.hidden = false;
document.querySelector("#keys").hidden = false;
show();
