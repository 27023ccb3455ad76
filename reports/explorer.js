// @ts-check
// The sample explorer, and three small helps: expanding tasks, the contents that follow the scroll, keys.
// What a model wrote reaches the page through textContent only. The address bar holds the whole view. After page.js, shards.js and orders.js.
"use strict";

/** @typedef {{codes: number[], words: string[]}} Coded */
/** @typedef {{suite: Coded, task: Coded, id: string[], cell: number[], cause: Coded, form: number[], overlap: number[], readers: {name: string, codes: number[]}[], base: (number|null)[],
 *   tuned: (number|null)[], base_length: (number|null)[], tuned_length: (number|null)[], unit: string, cells: string[], judges: string[], overlaps: string[]}} Columns */
/** @typedef {{suite: string, cell: string, cause: string, form: string, overlap: string, by: string, judge: string, agree: string, score: string, q: string, sort: string, open: string, sample: string, diff: string}} View */

/** Rows that are drawn and taken away together as the page scrolls. */
const PER_CHUNK = 50;
const FILTERS = /** @type {const} */ (["suite", "cell", "cause", "form", "overlap", "judge", "agree", "score", "q"]);
/** What the judge's verdict is to the scores. @type {Record<string, string>} */
const AGREES = { contradicts: "contradicts the scores", split: "contradicts itself", agrees: "agrees with the scores" };
/** @type {Record<string, string>} */
const SCORES = { full: "full marks", between: "between", zero: "none", unknown: "no score" };
/** @type {Record<string, string>} */
const WORDS = {
  kept: "● kept", regressed: "▼ regressed", fixed: "▲ fixed", both_wrong: "○ both wrong", missing: "– missing", unscored: "– unscored",
  base: "base", tuned: "tuned", tie: "tie", split: "split", unreadable: "unreadable",
  wrong: "wrong answer", unparsed: "no answer found", unextracted: "answer there, not extracted", truncated: "cut off at the token limit",
  refused: "refused",
};
/** Whose answer was out of form, as bits. @type {Record<string, number>} */
const FORMS = { base: 1, tuned: 2, either: 3 };
/** @type {Record<string, string>} */
const GUARD_WORDS = { kept: "● still seen", regressed: "▼ cleared", fixed: "▲ newly seen", both_wrong: "○ never seen" };
/** Of a number without bounds there is only more and less. @type {Record<string, string>} */
const UNBOUNDED_WORDS = { kept: "● unchanged", regressed: "▼ lower", fixed: "▲ higher", both_wrong: "● unchanged" };

const section = byId("samples");
/** @param {string|undefined} names */
const namesOf = (names) => new Set((names || "").split("\n").filter(Boolean));
const guards = namesOf(section.dataset.guards);
const unbounded = namesOf(section.dataset.unbounded);
/** @type {Record<string, Record<string, string>>} */
const commands = JSON.parse(section.dataset.commands || "{}");

/** @type {Columns} */ let columns;
/** @type {number[]} */ let matching = [];
/** @type {View} */ let view = blank();
/** All items in the order asked for, and what was asked. @type {number[]} */ let ordering = [];
let drawn = "", ordered = "", rowHeight = 33;
/** @type {HTMLElement[]} */ let chunks = [];

/** @returns {View} */
function blank() { return { suite: "", cell: "", cause: "", form: "", overlap: "", by: "", judge: "", agree: "", score: "", q: "", sort: "", open: "", sample: "", diff: "" }; }

/** @param {Coded} coded @param {number} i */
const word = (coded, i) => coded.words[coded.codes[i]];
/** @param {number} i */
const suiteOf = (i) => word(columns.suite, i);
/** @param {number} i */
const keyOf = (i) => JSON.stringify([suiteOf(i), word(columns.task, i), columns.id[i]]);
/** @param {string} name @param {string} suite */
const wordFor = (name, suite) => (unbounded.has(suite) && UNBOUNDED_WORDS[name]) || (guards.has(suite) && GUARD_WORDS[name]) || WORDS[name] || name.replaceAll("_", " ");

/* --- the address bar ------------------------------------------------------------------------------------------ */

/** @returns {View|null} */
function viewFromAddress() {
  if (!location.hash.startsWith("#samples?")) return null;
  const said = new URLSearchParams(location.hash.slice("#samples?".length));
  const found = blank();
  for (const name of /** @type {(keyof View)[]} */ (Object.keys(found))) found[name] = said.get(name) || "";
  return found;
}

/** @param {Partial<View>} change @returns {string} */
function address(change) {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...view, ...change })) if (value) said.set(name, value);
  return `#samples?${said}`;
}

/** Show a changed view. Each opened item is a step that Back undoes; typing is not.
 * @param {Partial<View>} change @param {boolean} step */
function go(change, step = true) {
  const target = address(change);
  if (target === location.hash) return;
  if (step) history.pushState(null, "", target);
  else history.replaceState(null, "", target);
  view = { ...view, ...change };
  render();
}

/* --- filtering ------------------------------------------------------------------------------------------------ */

/** @param {number} i @param {string} needle */
const holds = (i, needle) =>
  search.hits.has(i) || columns.id[i].toLowerCase().includes(needle) || word(columns.task, i).toLowerCase().includes(needle);

/** What the chosen judge said of each item, or the first judge by name: places in `judges`. @returns {number[]} */
function verdicts() {
  return (columns.readers.find((one) => one.name === view.by) || columns.readers[0] || { codes: [] }).codes;
}

/** One of AGREES, or "" where no judge read the item or no score tells the answers apart.
 * @param {number} i @param {number[]} codes of `verdicts` */
function agreement(i, codes) {
  const said = columns.judges[codes[i] ?? 0];
  if (said === "split") return "split";
  const base = columns.base[i], tuned = columns.tuned[i];
  if (!["base", "tuned", "tie"].includes(said) || base === null || tuned === null) return "";
  const better = Math.sign(tuned - base), preferred = said === "tuned" ? 1 : said === "base" ? -1 : 0;
  if (better === preferred) return "agrees";
  return better && preferred ? "contradicts" : "";
}

/** One of SCORES, of tuned. @param {number} i */
function mark(i) {
  const value = columns.tuned[i];
  return value === null ? "unknown" : value >= 1 ? "full" : value > 0 ? "between" : "zero";
}

/** What items are sorted by, ascending; null goes last. @param {string} sort @returns {(number|string|null)[]} */
function ranks(sort) {
  const { base, tuned, base_length: before, tuned_length: after } = columns, codes = verdicts(), agrees = Object.keys(AGREES);
  /** @param {(number|null)[]} from @param {(number|null)[]} to @param {number} sign */
  const change = (from, to, sign) => from.map((x, i) => { const y = to[i]; return x === null || y === null ? null : sign * (y - x); });
  if (sort === "id") return columns.id;
  if (sort === "cell") return columns.cell;
  if (sort === "cause") return columns.cause.codes.map((code) => columns.cause.words[code] || null);
  if (sort === "judge") return columns.id.map((_, i) => codes[i] || null);
  if (sort === "agree") return columns.id.map((_, i) => { const at = agrees.indexOf(agreement(i, codes)); return at < 0 ? null : at; });
  if (sort === "lowest") return tuned;
  if (sort === "lowest_base") return base;
  if (sort === "long") return after.map((length) => (length === null ? null : -length));
  if (sort === "loss" || sort === "gain") return change(base, tuned, sort === "loss" ? 1 : -1);
  return change(before, after, sort === "shorter" ? 1 : -1);
}

/** All items in an order. @param {string} sort @returns {number[]} */
function sorted(sort) {
  const [name, backwards] = orderOf(sort);
  if (name) return inOrder(ranks(name), backwards);
  const all = columns.id.map((_, i) => i);
  return backwards ? all.reverse() : all;
}

/** @param {View} wanted @returns {number[]} */
function select(wanted) {
  const suite = wanted.suite ? columns.suite.words.indexOf(wanted.suite) : null;
  const cell = wanted.cell ? columns.cells.indexOf(wanted.cell) : null;
  const cause = wanted.cause ? columns.cause.words.indexOf(wanted.cause) : null;
  const form = wanted.form ? FORMS[wanted.form] || 0 : null;
  const overlap = wanted.overlap ? columns.overlaps.indexOf(wanted.overlap) : null;
  const judge = wanted.judge ? columns.judges.indexOf(wanted.judge) : null;
  const needle = wanted.q.toLowerCase(), codes = verdicts();
  const found = [];
  for (const i of ordering) {
    if (suite !== null && columns.suite.codes[i] !== suite) continue;
    if (cell !== null && columns.cell[i] !== cell) continue;
    if (cause !== null && columns.cause.codes[i] !== cause) continue;
    if (form !== null && !(columns.form[i] & form)) continue;
    if (overlap !== null && columns.overlap[i] !== overlap) continue;
    if (judge !== null && codes[i] !== judge) continue;
    if (wanted.agree && agreement(i, codes) !== wanted.agree) continue;
    if (wanted.score && mark(i) !== wanted.score) continue;
    if (needle && !holds(i, needle)) continue;
    found.push(i);
  }
  return found;
}

/* --- drawing -------------------------------------------------------------------------------------------------- */

function render() {
  for (const name of [...FILTERS, /** @type {const} */ ("by"), /** @type {const} */ ("sort")]) {
    const control = byId("filters").elements[name];
    const value = name === "sort" ? orderOf(view.sort)[0] : view[name];
    if (document.activeElement !== control || control.value !== value) control.value = value;
  }
  if (view.q.toLowerCase() !== search.needle) searchTexts(view.q.toLowerCase(), showHits);
  const wanted = JSON.stringify([view.sort, view.by, ...FILTERS.map((name) => view[name])]);
  if (wanted === drawn) chunks.forEach((chunk, at) => { if (chunk.childElementCount) fillChunk(at); });
  else {
    drawn = wanted;
    const order = JSON.stringify([view.sort, view.by]);
    if (order !== ordered) { ordering = sorted(view.sort); ordered = order; drawHeads(view.sort, (sort) => go({ sort, open: "" })); }
    list();
  }
  const open = matching.findIndex((i) => keyOf(i) === view.open);
  if (open >= 0) fillChunk(Math.floor(open / PER_CHUNK));
}

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
  if (matching.length === before.length) return;
  drawChunks();
  const open = matching.findIndex((i) => keyOf(i) === view.open);
  if (open >= 0) { fillChunk(Math.floor(open / PER_CHUNK)); showOpen(); }
}

/* Of a long list only what is near the screen is drawn: each chunk is an empty box of its height until it comes near. */

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const at = chunks.indexOf(/** @type {HTMLElement} */ (entry.target));
    if (at < 0) continue;
    if (entry.isIntersecting) { if (!chunks[at].childElementCount) fillChunk(at); } else emptyChunk(at);
  }
}, { rootMargin: "1500px 0px" });

function drawChunks() {
  near.disconnect();
  chunks = [];
  for (let from = 0; from < matching.length; from += PER_CHUNK) {
    const chunk = el("ol", "chunk");
    chunk.style.height = `${Math.min(PER_CHUNK, matching.length - from) * rowHeight}px`;
    chunks.push(chunk);
  }
  byId("rows").replaceChildren(...chunks);
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

function drawFound() {
  const line = byId("found");
  line.replaceChildren();
  const active = FILTERS.filter((name) => view[name]);
  const total = columns.id.length;
  const kept = { ...blank(), by: view.by, sort: view.sort, diff: view.diff };
  if (!search.done) line.append(el("progress", "reading"), `Searching the texts: ${Math.floor((100 * search.read) / search.of)} %. `);
  const bar = line.querySelector("progress");
  if (bar) { bar.max = search.of; bar.value = search.read; bar.setAttribute("aria-label", "Texts searched"); }
  if (matching.length) {
    line.append(active.length ? `${count(matching.length)} of ${count(total)} items` : `${count(total)} items`);
    if (active.length) line.append(link("show all", kept));
    return;
  }
  if (!search.done) return;
  line.append("No item is left. ");
  for (const name of active) {
    const without = select({ ...view, [name]: "" }).length;
    const label = name === "q" ? `the search "${view.q}"` : `${name} "${AGREES[view[name]] || SCORES[view[name]] || wordFor(view[name], view.suite)}"`;
    line.append(link(`${count(without)} without ${label}`, { [name]: "" }));
  }
  line.append(link(`${count(total)} without any filter`, kept));
}

/** @param {string} text @param {Partial<View>} change */
function link(text, change) {
  const anchor = /** @type {HTMLAnchorElement} */ (el("a", "", text));
  anchor.href = address(change);
  return anchor;
}

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

/** Fetch an open item's texts, then draw it again. @param {number} i */
function drawWaiting(i) {
  const waiting = el("div", "waiting", "Unpacking this item's texts …");
  unpackShard(places[i]).then(() => {
    const at = Math.floor(matching.indexOf(i) / PER_CHUNK);
    if (!waiting.isConnected || at < 0) return;
    const focused = chunks[at].contains(document.activeElement);
    fillChunk(at);
    if (focused) focusRow(view.open);
  }, (error) => waiting.replaceChildren(`This browser could not unpack them (${error}); they are in samples.parquet.`));
  return waiting;
}

/** @param {number} i */
function drawDetail(i) {
  const entry = textsAtHand(i);
  const suite = suiteOf(i);
  const detail = el("div", "detail");
  const id = columns.id[i];
  if (places[i] >= 0 && !entry) return drawWaiting(i);
  if (!entry) {
    detail.append(el("p", "empty", "This item's texts are not on the page; samples.parquet has them, and these commands ask for them again."));
  } else {
    const sample = Math.min(Number(view.sample) || 0, Math.max(entry.base.length, entry.tuned.length) - 1);
    const base = entry.base[sample], tuned = entry.tuned[sample];
    const marks = view.diff === "off" ? null : diff(base?.text || "", tuned?.text || "");
    detail.append(
      drawTools(entry, sample, marks === undefined),
      el("h3", "", entry.base_prompt === undefined ? "Prompt, as both models saw it" : "Prompt, as tuned saw it"),
      el("pre", "text prompt", visible(entry.prompt ?? "No prompt is recorded.")),
      ...(entry.base_prompt === undefined ? [] : [
        el("h3", "", "Prompt, as base saw it"),
        el("pre", "text prompt", visible(entry.base_prompt ?? "Not recorded.")),
      ]),
      el("div", "pair", drawAnswer("base", base, entry, marks && marks[0]), drawAnswer("tuned", tuned, entry, marks && marks[1])),
      ...entry.verdicts.map(drawSaid),
    );
  }
  const asked = ["base", "tuned"].map((arm) => commands[arm]?.[suite]).filter(Boolean);
  if (asked.length) detail.append(el("h3", "again", "Ask again"));
  for (const line of asked) {
    const command = `${line} --id ${quoted(id)}`;
    const shown = el("pre", "command", visible(command));
    detail.append(el("div", "ask", shown, copier(command, shown)));
  }
  return detail;
}

/** A button that copies a command; where the browser allows no clipboard it is selected instead. @param {string} text @param {HTMLElement} shown */
function copier(text, shown) {
  const button = el("button", "copy", "Copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(shown);
      button.textContent = "Selected";
    }
  };
  button.setAttribute("aria-live", "polite");
  return button;
}

/** @param {Texts} entry @param {number} sample @param {boolean} tooDifferent */
function drawTools(entry, sample, tooDifferent) {
  const tools = el("div", "tools");
  const toggle = el("button", "", "Word diff");
  toggle.setAttribute("aria-pressed", String(view.diff !== "off"));
  toggle.onclick = () => go({ diff: view.diff === "off" ? "" : "off" }, false);
  tools.append(toggle);
  if (tooDifferent) tools.append("The two answers have too little in common for a word diff.");
  const samples = Math.max(entry.base.length, entry.tuned.length);
  if (samples > 1) tools.append("Sample");
  for (let s = 0; samples > 1 && s < samples; s++) {
    const one = el("button", "", String(s + 1));
    one.setAttribute("aria-pressed", String(s === sample));
    one.onclick = () => go({ sample: s ? String(s) : "" }, false);
    tools.append(one);
  }
  tools.append(el("span", "", "next and previous: ", el("kbd", "", "j"), " ", el("kbd", "", "k")));
  return tools;
}

/** @param {"base"|"tuned"} arm @param {Answer|undefined} answer @param {Texts} entry @param {[string, boolean][]|null|undefined} marks */
function drawAnswer(arm, answer, entry, marks) {
  const side = el("div", arm, el("h3", "", arm === "base" ? "Base" : "Tuned"));
  if (!answer) return el("div", arm, el("h3", "", arm === "base" ? "Base" : "Tuned"), el("p", "empty", "No answer was recorded."));
  const facts = el("dl", "answers");
  /** @param {string} name @param {string|undefined|null} value */
  const fact = (name, value) => { if (value !== undefined && value !== null) facts.append(el("dt", "", name), el("dd", "", visible(value))); };
  fact("score", answer.value === undefined ? "none" : `${Number(answer.value.toFixed(3))}${answer.cause ? ` (${WORDS[answer.cause] || answer.cause})` : ""}`);
  fact("answer", answer.answer ?? (answer.failure || answer.value === undefined ? null : "nothing extracted"));
  fact("gold", entry.gold);
  if (answer.overlap !== undefined) fact("in training", `${Math.round(answer.overlap * 100)} % of the item's words`);
  fact("ended", `${answer.finish === "length" ? "at the token limit" : answer.finish || "not said"}${answer.tokens ? `, ${count(answer.tokens)} tokens` : ""}`);
  if (answer.failure) fact("failed", [answer.failure.replaceAll("_", " "), answer.message, answer.hint].filter(Boolean).join(": "));
  side.append(facts);
  if (answer.reasoning) {
    side.append(el("details", "", el("summary", "", "Reasoning"), el("pre", "text", visible(answer.reasoning))));
  }
  const text = el("pre", "text");
  if (!answer.text) text.append(el("span", "muted", answer.failure ? "(no answer)" : answer.text === undefined ? "(not recorded)" : "(empty)"));
  else if (!marks) text.append(visible(answer.text));
  else for (const [part, changed] of marks) text.append(changed ? el(arm === "base" ? "del" : "ins", "", visible(part)) : visible(part));
  side.append(text);
  return side;
}

/** @type {Record<string, string>} */
const ORDERS = { base_first: "base shown first", tuned_first: "tuned shown first", apart: "graded one by one" };

/** @param {Said} said */
function drawSaid(said) {
  const order = ORDERS[said.order] || "order not recorded";
  const winner = said.winner ? (said.winner === "tie" ? "tie" : `prefers ${said.winner}`) : "unreadable";
  return el("div", "says", el("b", "", visible(`${said.judge}, ${order}: ${winner}`)), "\n", visible(said.failure || said.reason || "no reason given"));
}

/** A word as a POSIX shell reads it. @param {string} text */
function quoted(text) { return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`; }

/* --- word diff ------------------------------------------------------------------------------------------------ */

/** Myers' greedy shortest edit script over words. Two lists of [text, changed], or undefined where too little is shared.
 * @param {string} before @param {string} after @returns {[[string, boolean][], [string, boolean][]]|undefined} */
function diff(before, after) {
  const words = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;
  const a = before.match(words) || [], b = after.match(words) || [];
  const n = a.length, m = b.length, most = Math.min(n + m, 1500), middle = most + 1;
  /** @type {Int32Array} */ let reach = new Int32Array(2 * most + 3);
  /** @type {Int32Array[]} */ const trace = [];
  let d = 0, done = false;
  for (; d <= most && !done; d++) {
    trace.push(reach.slice());
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]) ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x++;
      reach[middle + k] = x;
      if (x >= n && x - k >= m) { done = true; break; }
    }
  }
  if (!done) return undefined;
  const gone = new Uint8Array(n), come = new Uint8Array(m);
  let x = n, y = m;
  for (d--; d > 0; d--) {
    reach = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
    const from = down ? k + 1 : k - 1, startX = reach[middle + from], startY = startX - from;
    if (down) come[startY] = 1; else gone[startX] = 1;
    x = startX; y = startY;
  }
  return [runs(a, gone), runs(b, come)];
}

/** @param {string[]} words @param {Uint8Array} changed @returns {[string, boolean][]} */
function runs(words, changed) {
  /** @type {[string, boolean][]} */ const out = [];
  words.forEach((one, i) => {
    const last = out[out.length - 1];
    if (last && last[1] === Boolean(changed[i])) last[0] += one;
    else out.push([one, Boolean(changed[i])]);
  });
  return out;
}

/* --- keys and the rest ---------------------------------------------------------------------------------------- */

/** @param {number} step */
function walk(step) {
  if (!matching.length) return;
  const at = matching.findIndex((i) => keyOf(i) === view.open);
  const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
  if (next < 0 || next >= matching.length) return;
  go({ open: keyOf(matching[next]), sample: "" }, false);
  showOpen();
}

function showOpen() {
  const row = document.querySelector('.row[aria-expanded="true"]');
  if (row instanceof HTMLElement) { row.scrollIntoView({ block: "start" }); row.focus({ preventScroll: true }); }
}

/** Drawing again loses the focus; give it back to the row that had it. @param {string} key */
function focusRow(key) {
  for (const row of document.querySelectorAll(".row")) {
    if (row instanceof HTMLElement && row.dataset.key === key) row.focus({ preventScroll: true });
  }
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea") ? event.target : null;
  if (typing) { if (event.key === "Escape") typing.blur(); return; }
  if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "d") go({ diff: view.diff === "off" ? "" : "off" }, false);
  else if (event.key === "Escape" && view.open) go({ open: "" });
  else if (event.key === "?") byId("help").showModal();
  else if (event.key === "/") { event.preventDefault(); byId("filters").elements.q.focus(); section.scrollIntoView(); }
}

/** @param {HTMLSelectElement} control @param {string} all @param {string[]} values */
function fill(control, all, values) {
  control.append(new Option(all, ""));
  for (const value of values.filter(Boolean)) control.append(new Option(WORDS[value] || value, value));
}

/** Only what there is can be chosen. @param {HTMLSelectElement} control @param {string} all @param {Record<string, string>} words @param {string[]} values */
function choices(control, all, words, values) {
  const present = new Set(values);
  control.append(new Option(all, ""), ...Object.entries(words).filter(([name]) => present.has(name)).map(([name, label]) => new Option(label, name)));
}

function helpers() {
  for (const button of document.querySelectorAll("button[data-expand]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    const rows = [...(button.closest("tbody")?.querySelectorAll("tr.task") || [])];
    const toggle = () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      for (const row of rows) /** @type {HTMLElement} */ (row).hidden = !open;
    };
    button.hidden = false;
    button.onclick = toggle;
    toggle();
  }
  const links = new Map([...document.querySelectorAll(".contents a")].map((one) => [one.getAttribute("href")?.slice(1), one]));
  const sections = [...links.keys()].map((id) => byId(id || "")).filter(Boolean);
  const follow = () => {
    const current = sections.filter((one) => one.getBoundingClientRect().top < innerHeight / 3).pop() || sections[0];
    for (const [id, one] of links) {
      if (id === current.id) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", follow, { passive: true });
  follow();
}

async function start() {
  byId("unscripted").remove();
  helpers();
  try {
    [columns, places] = await Promise.all([unpack("columns"), unpack("places")]);
  } catch (error) {
    section.append(el("p", "empty", `This browser could not unpack the samples (${error}); they are in samples.parquet.`));
    return;
  }
  const form = byId("filters");
  fill(form.elements.suite, "all suites", columns.suite.words);
  const present = new Set(columns.cell);
  fill(form.elements.cell, "all cells", columns.cells.filter((_, code) => present.has(code)));
  fill(form.elements.cause, "all causes", columns.cause.words);
  fill(form.elements.form, "any form", Object.keys(FORMS));
  if (!columns.form.some(Boolean)) form.elements.form.closest("label").hidden = true;
  fill(form.elements.overlap, "all items", columns.overlaps);
  if (!columns.overlap.some(Boolean)) form.elements.overlap.closest("label").hidden = true;
  const judged = new Set(columns.readers.flatMap((one) => [...new Set(one.codes)]));
  fill(form.elements.judge, "all verdicts", columns.judges.filter((_, code) => judged.has(code)));
  choices(form.elements.agree, "any", AGREES, columns.readers.flatMap((one) => [...new Set(one.codes.map((_, i) => agreement(i, one.codes)))]));
  for (const one of columns.readers) form.elements.by.append(new Option(one.name, one === columns.readers[0] ? "" : one.name));
  form.elements.by.closest("label").hidden = columns.readers.length < 2;
  choices(form.elements.score, "any score", SCORES, columns.id.map((_, i) => mark(i)));
  form.elements.sort.append(new Option("suite and id", ""), ...Object.entries(SORTS).map(([name, label]) => new Option(label, name)));
  if (!columns.readers.length) for (const name of ["judge", "agree"]) form.elements[name].closest("label").hidden = true;
  /** @type {number|undefined} */ let wait;
  form.addEventListener("input", (/** @type {Event} */ event) => {
    const { name, value } = /** @type {HTMLInputElement} */ (event.target);
    clearTimeout(wait);
    const apply = () => go({ [name]: value, open: "" }, name !== "q");
    if (name === "q") wait = setTimeout(apply, 150);
    else apply();
  });
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  document.addEventListener("keydown", onKey);
  const follow = () => {
    const found = viewFromAddress();
    if (!found) return;
    const filtered = FILTERS.some((name) => found[name] !== view[name]);
    const opened = found.open && found.open !== view.open;
    const closed = view.open;
    view = found;
    render();
    if (opened) showOpen();
    else if (filtered) section.scrollIntoView();
    else if (closed) focusRow(closed);
  };
  addEventListener("hashchange", follow);
  byId("explorer").hidden = false;
  render();
  follow();
  performance.mark("explorer ready");
}

start();
