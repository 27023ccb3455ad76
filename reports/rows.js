// @ts-check
// The list of items: a row each, in a box that scrolls by itself, of which only what is near is drawn. After items.js, address.js and detail.js.
"use strict";

/** Rows that are drawn and taken away together as the list scrolls. */
const PER_CHUNK = 50;
/** What a filter is called where it left nothing. @type {Record<string, string>} */
const CALLED = { form: "out of form:", overlap: "in training data:", agree: "judge and scores:", score: "tuned's score" };

/** @type {number[]} */ let matching = [];
/** All items in the order asked for. @type {number[]} */ let ordering = [];
let rowHeight = 33;
/** @type {HTMLElement[]} */ let chunks = [];

function list() {
  matching = select(view);
  drawFound();
  drawChunks();
}

/** A search has read on. What it found shows at once, but an open item stays where it is until the end. */
function showHits() {
  const before = matching;
  if (!search.done && view.open) return drawFound();
  matching = select(view);
  drawFound();
  if (matching.length !== before.length) {
    drawChunks();
    const open = placeOf(view.open);
    if (open >= 0) { fillChunk(Math.floor(open / PER_CHUNK)); showOpen(); }
  }
  drawOutside();
}

/** An item's place among those that match, -1 where it is not one of them. @param {string} key */
const placeOf = (key) => (key ? matching.indexOf(itemOf(key)) : -1);

/* Of a long list only what is near is drawn: each chunk is an empty box of its height until it comes near. */

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const at = chunks.indexOf(/** @type {HTMLElement} */ (entry.target));
    if (at < 0) continue;
    if (entry.isIntersecting) { if (!chunks[at].childElementCount) fillChunk(at); } else emptyChunk(at);
  }
}, { root: byId("rows"), rootMargin: "1500px 0px" });

function drawChunks() {
  near.disconnect();
  chunks = [];
  for (let from = 0; from < matching.length; from += PER_CHUNK) {
    const chunk = el("ol", "chunk");
    chunk.style.height = `${Math.min(PER_CHUNK, matching.length - from) * rowHeight}px`;
    chunks.push(chunk);
  }
  byId("rows").replaceChildren(...chunks);
  byId("rows").scrollTop = 0;
  if (chunks.length) {
    fillChunk(0);
    rowHeight = chunks[0].firstElementChild?.getBoundingClientRect().height || rowHeight;
  }
  for (const chunk of chunks) near.observe(chunk);
}

/** @param {number} at */
function fillChunk(at) {
  const from = at * PER_CHUNK;
  chunks[at].style.height = "";
  chunks[at].replaceChildren(...matching.slice(from, from + PER_CHUNK).map((i, place) => drawRow(i, from + place)));
}

/** Take a chunk's rows away, but not the first one's, the open one's, nor where the focus is. @param {number} at */
function emptyChunk(at) {
  const chunk = chunks[at];
  if (at === 0 || !chunk.childElementCount || chunk.querySelector(".detail") || chunk.contains(document.activeElement)) return;
  chunk.style.height = `${chunk.getBoundingClientRect().height}px`;
  chunk.replaceChildren();
}

/** Draw an item again where it stands. @param {number} i */
function redraw(i) {
  const at = Math.floor(matching.indexOf(i) / PER_CHUNK);
  if (at >= 0) keepFocus(() => fillChunk(at));
}

/* What is drawn again loses the focus: it comes back to what stands for the same thing. */

/** @param {() => void} draw */
function keepFocus(draw) {
  const focused = document.activeElement;
  const name = focused instanceof HTMLElement ? focused.dataset.focus : undefined;
  draw();
  if (name && !focused?.isConnected) focusOn(name);
}

/** @param {string} name of what was drawn with `data-focus` */
function focusOn(name) {
  for (const one of byId("rows").querySelectorAll("[data-focus]")) if (one.dataset.focus === name) one.focus({ preventScroll: true });
}

/** The open item's row to the top of the list, with the focus, and the list's heads into sight where there are any. */
function showOpen() {
  const row = byId("rows").querySelector('.row[aria-expanded="true"]');
  if (!row) return;
  row.scrollIntoView({ block: "start" });
  if (byId("heads").offsetParent) byId("heads").scrollIntoView({ block: "start" });
  row.focus({ preventScroll: true });
}

/* --- what stands over the list, and a row of it ----------------------------------------------------------------- */

function drawFound() {
  const line = byId("found");
  line.replaceChildren();
  const active = FILTERS.filter((name) => view[name]);
  const total = columns.id.length;
  if (!search.done) line.append(el("progress", "reading"), `Searching the texts: ${Math.floor((100 * search.read) / search.of)} %. `);
  const bar = line.querySelector("progress");
  if (bar) { bar.max = search.of; bar.value = search.read; bar.setAttribute("aria-label", "Texts searched"); }
  if (matching.length) {
    line.append(active.length ? `${count(matching.length)} of ${count(total)} items` : `${count(total)} items`);
    if (active.length) line.append(link("show all", unfiltered()));
    return;
  }
  if (!search.done) return;
  line.append("No item is left. ");
  for (const name of active) {
    const without = select({ ...view, [name]: "" }).length, value = view[name];
    const said = name === "slice" ? sliceLabel(value) : name === "task" ? value : AGREES[value] || SCORES[value] || wordFor(value, view.suite);
    const label = name === "q" ? `the search "${value}"` : `${CALLED[name] || name} "${said}"`;
    line.append(link(`${count(without)} without ${label}`, { [name]: "" }));
  }
  line.append(link(`${count(total)} without any filter`, unfiltered()));
}

/** Say so where the address names an item that the list does not show. */
function drawOutside() {
  const line = byId("outside");
  line.hidden = !view.open || !search.done || placeOf(view.open) >= 0;
  if (line.hidden) return line.replaceChildren();
  const i = itemOf(view.open);
  if (i < 0) return line.replaceChildren("The item that the address names is not in this run.");
  const show = el("button", "", "Show it");
  show.onclick = () => { go(unfilteredAt(view.open)); showOpen(); };
  line.replaceChildren(el("span", "", "The open item, ", visible(`${columns.id[i]} of ${suiteOf(i)}`), ", is outside the filter. "), show);
}

/** @param {string} key @returns {View} */
const unfilteredAt = (key) => ({ ...unfiltered(), open: key, sample: view.sample });

/** @param {number} i @param {number} place among those that match */
function drawRow(i, place) {
  const key = keyOf(i);
  const open = key === view.open;
  const name = columns.cells[columns.cell[i]];
  const suite = suiteOf(i);
  const task = word(columns.task, i);
  const judged = columns.judges[verdicts()[i] ?? 0];
  const row = link("", { open: open ? "" : key, sample: "" });
  row.className = places[i] < 0 ? "row none" : "row";
  row.setAttribute("aria-expanded", String(open));
  row.dataset.focus = `row ${key}`;
  row.dataset.key = key;
  const lengths = [columns.base_length[i], columns.tuned_length[i]].map((n) => (n === null ? "–" : count(n)));
  row.append(
    el("span", `cell ${tone(name, suite)}`, wordFor(name, suite)),
    el("span", "suite", visible(task === suite ? suite : `${suite} / ${task}`)),
    el("span", "id", visible(columns.id[i])),
    el("span", "cause", wordFor(word(columns.cause, i), suite)),
    el("span", "judged", judged ? `judge: ${WORDS[judged]}` : ""),
    el("span", "n", `${lengths[0]} → ${lengths[1]} ${columns.unit}`),
  );
  const item = el("li", "", row, open ? drawDetail(i) : null);
  item.setAttribute("aria-posinset", String(place + 1));
  item.setAttribute("aria-setsize", String(matching.length));
  return item;
}

/** @param {string} name @param {string} suite */
function tone(name, suite) {
  if (name !== "regressed" && name !== "fixed") return "";
  return (name === "regressed") !== guards.has(suite) ? "harm" : "gain";
}
