// @ts-check
// The index of runs: sort, filter, walk, and two runs side by side. The rows themselves are in the page; this only orders
// and hides them. The address bar holds the whole view. After page.js.
"use strict";

/** Value and interval, in score units. @typedef {[number, number|null, number|null]} Triple */
/** @typedef {{name: string, role: string, hash: string, unit: string|null, values: string, text: string, value: Triple|null, verdict: string|null, n: number}} Suite */
/** @typedef {{name: string, limit: string, text: string, verdict: string, required: boolean}} Gate */
/** @typedef {{name: string, hash: string, over: string, text: string, value: Triple|null}} Judge */
/** @typedef {{key: string, folder: string, base: string, tuned: string, same: string[], outcome: string, word: string, verdict: string, why: string,
 *   when: string, seconds: number|null, link: string, sweep: string, n: number, missing: number, gain: Triple|null, gainText: string, tax: Triple|null,
 *   taxText: string, win: Triple|null, measure: string, judges: Judge[], suites: Suite[], gates: Gate[], setup: Record<string, string>, policy: Record<string, string>}} Run */
/** @typedef {{model: string, suite: string, decision: string, q: string, sort: string, at: string, a: string, b: string, show: string}} View */

const FILTERS = /** @type {const} */ (["model", "suite", "decision", "q"]);
const GATE_ORDER = ["fail", "inconclusive", "pass"];
const OUTCOMES = ["go", "inconclusive", "incomplete", "no_go"];
/** What a click on a column's head sorts by, first and then. @type {Record<string, string[]>} */
const HEADS = { name: ["name", "-name"], decision: ["decision", "-decision"], gain: ["gain", "-gain"], tax: ["-tax", "tax"], win: ["win", "-win"], when: ["", "oldest"] };
const table = /** @type {HTMLTableElement} */ (document.querySelector("table.runs"));
const form = byId("filters");

/** @type {Run[]} */ let runs = [];
/** @type {Record<string, string>} */ let verdicts = {};
/** @type {Record<string, string>} */ let roles = {};
/** @type {Record<string, string>} */ let setup = {};
/** @type {string[]} */ let haystacks = [];
/** @type {number[]} */ let shown = [];
/** @type {HTMLElement[]} */ let bodies = [];
/** @type {HTMLInputElement[]} */ let boxes = [];
/** @type {View} */ let view = blank();
let order = "", owned = "";

/** @returns {View} */
function blank() { return { model: "", suite: "", decision: "", q: "", sort: "", at: "", a: "", b: "", show: "" }; }

/* --- the address bar ------------------------------------------------------------------------------------------ */

/** @param {Partial<View>} change @returns {string} */
function address(change) {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...view, ...change })) if (value) said.set(name, value);
  return `#runs?${said}`;
}

/** Show a changed view. step: Back undoes it. @param {Partial<View>} change @param {boolean} step */
function go(change, step = true) {
  const target = address(change);
  if (target === location.hash) return;
  if (step) history.pushState(null, "", target);
  else history.replaceState(null, "", target);
  view = { ...view, ...change };
  render();
}

/** Follow the address: a view, or a mark of a chart that leads to one run. */
function follow() {
  const before = view;
  const wanted = bodies.findIndex((one) => one.id && `#${one.id}` === location.hash);
  if (wanted >= 0) {
    const hidden = !shown.includes(wanted);
    view = { ...view, ...(hidden ? { model: "", suite: "", decision: "", q: "" } : {}), at: runs[wanted].folder, show: "" };
    history.replaceState(null, "", address({}));
  } else if (location.hash.startsWith("#runs?")) {
    const said = new URLSearchParams(location.hash.slice("#runs?".length));
    view = blank();
    for (const name of /** @type {(keyof View)[]} */ (Object.keys(view))) view[name] = said.get(name) || "";
  } else if (location.hash === "") {
    view = blank();
  } else return;
  render();
  if (view.at && view.at !== before.at && !view.show) reveal();
  else if (FILTERS.some((name) => view[name] !== before[name])) byId("runs").scrollIntoView();
}

/* --- filtering and sorting ------------------------------------------------------------------------------------ */

/** @param {Run} run @param {string} name */
const suiteOf = (run, name) => run.suites.find((one) => one.name === name);

/** @param {View} wanted @returns {number[]} */
function select(wanted) {
  const model = wanted.model.toLowerCase(), needle = wanted.q.toLowerCase();
  const found = [];
  for (let at = 0; at < runs.length; at++) {
    const run = runs[at];
    if (model && !run.base.toLowerCase().includes(model) && !run.tuned.toLowerCase().includes(model)) continue;
    if (wanted.suite && !suiteOf(run, wanted.suite)) continue;
    if (wanted.decision && run.outcome !== wanted.decision) continue;
    if (needle && !haystacks[at].includes(needle)) continue;
    found.push(at);
  }
  return found;
}

/** What a run is sorted by; what it lacks goes last either way. @param {Run} run @param {string} by @returns {number|string|null} */
function rank(run, by) {
  if (by === "name") return run.tuned.toLowerCase();
  if (by === "decision") return OUTCOMES.indexOf(run.outcome);
  if (by === "own") return suiteOf(run, view.suite)?.value?.[0] ?? null;
  return (by === "gain" ? run.gain : by === "tax" ? run.tax : run.win)?.[0] ?? null;
}

/** All runs in the order that `sort` asks for; newest first among equals. @param {string} sort @returns {number[]} */
function ordered(sort) {
  const all = runs.map((_, at) => at);
  if (!sort) return all;
  if (sort === "oldest") return all.reverse();
  const by = sort.replace(/^-/, "");
  // Words and outcomes read from the first to the last, numbers from the largest.
  const turn = (by === "name" || by === "decision" ? 1 : -1) * (sort.startsWith("-") ? -1 : 1);
  const ranks = runs.map((run) => rank(run, by));
  return all.sort((one, other) => {
    const x = ranks[one], y = ranks[other];
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || one - other;
    return (x < y ? -turn : x > y ? turn : 0) || one - other;
  });
}

/* --- drawing -------------------------------------------------------------------------------------------------- */

function render() {
  for (const name of [...FILTERS, "sort"]) {
    const control = form.elements[name];
    const value = view[/** @type {keyof View} */ (name)];
    if (document.activeElement !== control || control.value !== value) control.value = value;
  }
  for (const own of form.elements.sort.querySelectorAll("[value$=own]")) own.disabled = !view.suite;
  const comparing = view.show === "compare" && drawCompare();
  byId("overview").hidden = comparing;
  byId("top").hidden = comparing;
  byId("compare").hidden = !comparing;
  const sorted = `${view.sort} ${view.sort.endsWith("own") ? view.suite : ""}`;
  if (sorted !== order) table.append(...ordered(view.sort).map((at) => bodies[at]));
  order = sorted;
  shown = select(view);
  const visibleRuns = new Set(shown);
  bodies.forEach((body, at) => { body.hidden = !visibleRuns.has(at); });
  for (const mark of document.querySelectorAll(".chart a[href^='#run-']")) {
    mark.classList.toggle("off", byId((mark.getAttribute("href") || "").slice(1))?.hidden === true);
  }
  drawFound();
  drawOwn();
  drawMarks();
  for (const head of table.querySelectorAll("th[data-sort]")) {
    const [first, then] = HEADS[/** @type {HTMLElement} */ (head).dataset.sort || ""];
    const now = view.sort === first ? first : view.sort === then ? then : null;
    const falls = now === first ? !["name", "decision", "-tax"].includes(first) : now === then && ["-name", "-decision", "tax"].includes(then);
    if (now === null) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", falls ? "descending" : "ascending");
  }
}

function drawFound() {
  const line = byId("found");
  line.replaceChildren();
  const active = FILTERS.filter((name) => view[name]);
  if (shown.length) {
    line.append(active.length ? `${count(shown.length)} of ${count(runs.length)} runs` : `${count(runs.length)} ${runs.length === 1 ? "run" : "runs"}`);
    if (active.length) line.append(link("show all", { model: "", suite: "", decision: "", q: "" }));
    return;
  }
  line.append("No run is left. ");
  for (const name of active) {
    line.append(link(`${count(select({ ...view, [name]: "" }).length)} without ${name === "q" ? "the search" : name} "${view[name]}"`, { [name]: "" }));
  }
}

/** @param {string} text @param {Partial<View>} change */
function link(text, change) {
  const anchor = /** @type {HTMLAnchorElement} */ (el("a", "", visible(text)));
  anchor.href = address(change);
  return anchor;
}

/** The figures of the suite that is filtered by, in each row. */
function drawOwn() {
  if (view.suite === owned) return;
  owned = view.suite;
  bodies.forEach((body, at) => {
    const own = /** @type {HTMLElement} */ (body.querySelector(".own"));
    const suite = view.suite ? suiteOf(runs[at], view.suite) : undefined;
    own.hidden = !suite;
    if (suite) own.replaceChildren(visible(`${suite.name}: ${suite.values}, ${suite.text}`), suite.verdict ? el("span", "", ", ", verdict(suite.verdict)) : "");
  });
}

/** @param {string} name */
const verdict = (name) => el("span", `verdict ${name}`, verdicts[name] || name);

/** The row of the cursor, the picked rows, and the line that says so. */
function drawMarks() {
  const picked = [view.a, view.b];
  bodies.forEach((body, at) => {
    const folder = runs[at].folder;
    body.classList.toggle("current", folder === view.at);
    body.classList.toggle("picked", picked.includes(folder));
    boxes[at].checked = picked.includes(folder);
  });
  const bar = byId("picked");
  const found = picked.map((folder) => runs.find((run) => folder && run.folder === folder)).filter((run) => run !== undefined);
  bar.hidden = !found.length || view.show === "compare";
  if (bar.hidden) return bar.replaceChildren();
  const clear = el("button", "", "Clear");
  clear.onclick = () => go({ a: "", b: "" });
  const compare = el("button", "main", "Compare");
  compare.onclick = openCompare;
  const names = el("span", "names", "Picked: ", visible(found.map((run) => run.tuned).join(" and ")), found.length < 2 ? ". Pick another one to compare them." : "");
  bar.replaceChildren(el("div", "", names, found.length === 2 ? compare : null, clear));
}

/** Pick a run or let it go; a third one takes the place of the first. @param {string} folder */
function pick(folder) {
  const kept = [view.a, view.b].filter((one) => one && one !== folder);
  const picked = kept.length < [view.a, view.b].filter(Boolean).length ? kept : [...kept, folder].slice(-2);
  go({ a: picked[0] || "", b: picked[1] || "" }, false);
}

function openCompare() {
  if (!view.a || !view.b) return;
  go({ show: "compare" });
  scrollTo(0, 0);
  byId("compare").focus({ preventScroll: true });
}

/* --- two runs ------------------------------------------------------------------------------------------------- */

/** How far `to` lies above `from`, with the interval of two independent ones (MOVER). @param {Triple|null|undefined} from @param {Triple|null|undefined} to @returns {Triple|null} */
function shift(from, to) {
  if (!from || !to) return null;
  const [x, xLow, xHigh] = from, [y, yLow, yHigh] = to;
  if (xLow === null || xHigh === null || yLow === null || yHigh === null) return [y - x, null, null];
  return [y - x, y - x - Math.hypot(y - yLow, xHigh - x), y - x + Math.hypot(yHigh - y, x - xLow)];
}

/** @param {Triple|null} by */
const moved = (by) => by !== null && by[1] !== null && by[2] !== null && (by[1] > 0 || by[2] < 0);

/** A shift in points, or in the unit of what has no bounds, as the report writes differences. @param {Triple} by @param {string|null} unit */
function shiftText(by, unit) {
  const scale = unit ? 1 : 100, digits = unit ? 3 : 1;
  /** @param {number} value @param {boolean} signed */
  const say = (value, signed) => {
    const text = (value * scale).toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : signed && value > 0 ? `+${text}` : text;
  };
  const between = by[1] === null || by[2] === null ? "no interval" : `[${say(by[1], false)}, ${say(by[2], false)}]`;
  return `${say(by[0], true)} ${unit || "pp"} ${between}`;
}

/** @param {Triple|null} by @param {boolean} moreIsBetter @param {string|null} unit */
function shiftCell(by, moreIsBetter, unit = null) {
  const cell = el("td", "n wide");
  cell.dataset.label = "B \u2212 A";
  if (!by) { cell.classList.add("none"); return cell; }
  const tone = moved(by) ? ((by[0] > 0) === moreIsBetter ? "better" : "worse") : "";
  cell.append(el("span", `shift ${tone}`, shiftText(by, unit)), tone ? el("span", "aside", tone) : "");
  return cell;
}

/** @param {string} label @param {string} className @param {(Node|string|null)[]} children */
function cell(label, className, ...children) {
  const one = el("td", className, ...children);
  one.dataset.label = label;
  return one;
}

/** @param {string} name @param {(string|null)[]} tags */
function head(name, ...tags) {
  const one = el("th", "", visible(name), ...tags.filter(Boolean).map((tag) => el("span", "tag", /** @type {string} */ (tag))));
  one.setAttribute("scope", "row");
  return one;
}

/** @param {string[]} names @param {HTMLElement[]} rows @param {string} label */
function grid(names, rows, label) {
  const titles = names.map((name, at) => { const one = el("th", at ? "n" : "", name); one.setAttribute("scope", "col"); return one; });
  const one = el("table", "stack", el("thead", "", el("tr", "", ...titles)), el("tbody", "", ...rows));
  one.setAttribute("aria-label", label);
  return one;
}

/** What keeps the figures of two runs from being held against each other, in sentences. @param {Run} a @param {Run} b @returns {string[]} */
function cautions(a, b) {
  const told = [];
  for (const [name, sentence] of Object.entries(setup)) {
    if (a.setup[name] !== b.setup[name]) told.push(`${sentence} A: ${a.setup[name] || "not recorded"}. B: ${b.setup[name] || "not recorded"}.`);
  }
  const changed = a.suites.filter((one) => { const other = suiteOf(b, one.name); return other && (other.hash !== one.hash || !one.hash); });
  if (changed.length) told.push(`${listed(changed.map((one) => one.name))} ${changed.length === 1 ? "is not the same suite" : "are not the same suites"} in both: the file or its data changed, so those figures are not comparable.`);
  const lone = [...a.suites.filter((one) => !suiteOf(b, one.name)), ...b.suites.filter((one) => !suiteOf(a, one.name))];
  if (lone.length) told.push(`Only one of them asked ${listed(lone.map((one) => one.name))}.`);
  if (a.measure !== b.measure && a.same[0] === b.same[0]) told.push("So gain, tax and win rates, over all suites, are not of the same thing in both.");
  const rules = [...new Set([...Object.keys(a.policy), ...Object.keys(b.policy)])].filter((name) => a.policy[name] !== b.policy[name]);
  if (rules.length) told.push(`Their policies differ in ${listed(rules)}: the same figures may be decided otherwise.`);
  const judges = a.judges.filter((one) => b.judges.some((other) => other.name === one.name && (other.hash !== one.hash || !one.hash)));
  if (judges.length) told.push(`${listed(judges.map((one) => one.name))} ${judges.length === 1 ? "is" : "are"} another judge in each (model, settings or rubric): those win rates are not comparable.`);
  if (a.same[1] === b.same[1]) told.push("Both measured the same tuned weights: what moved is noise, or how it was measured.");
  return told;
}

/** @param {string[]} names */
const listed = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", "));

/** Two runs side by side, the older one as A. @returns {boolean} whether both are there */
function drawCompare() {
  const found = [view.a, view.b].map((folder) => runs.find((run) => run.folder === folder));
  const [one, other] = found;
  if (!one || !other) return false;
  const [a, b] = (one.seconds ?? 0) <= (other.seconds ?? 0) ? [one, other] : [other, one];
  const sameBase = a.same[0] === b.same[0];
  const pooled = a.measure === b.measure;
  /** @type {string[]} */ const news = [];
  if (a.word !== b.word) news.push(`the decision, from ${a.word} to ${b.word}`);

  /** @param {string} name @param {string} x @param {string} y @param {Triple|null} by @param {boolean} more @param {string|null} note */
  const figure = (name, x, y, by, more, note = null) => {
    if (moved(by) && by) news.push(`${name} by ${shiftText(by, null)}`);
    return el("tr", moved(by) ? "moves" : "", head(name, note), cell("A", "n wide", x || "n/a"), cell("B", "n wide", y || "n/a"), shiftCell(by, more));
  };
  const figures = [];
  const unlike = pooled ? null : "not comparable";
  if (a.gain || b.gain) figures.push(figure("gain", a.gainText, b.gainText, pooled ? shift(a.gain, b.gain) : null, true, unlike));
  if (a.tax || b.tax) figures.push(figure("tax", a.taxText, b.taxText, pooled ? shift(a.tax, b.tax) : null, false, unlike));
  for (const name of new Set([...a.judges, ...b.judges].map((judge) => judge.name))) {
    const [x, y] = [a, b].map((run) => run.judges.find((judge) => judge.name === name));
    const alike = Boolean(pooled && x && y && x.hash && x.hash === y.hash && x.over === y.over);
    figures.push(figure(`win rate, ${name}`, x?.text || "", y?.text || "", alike ? shift(x?.value, y?.value) : null, true, alike || !x || !y ? null : "not comparable"));
  }
  figures.push(el("tr", "", head("items"), cell("A", "n wide", items(a)), cell("B", "n wide", items(b)), cell("B \u2212 A", "none")));

  const names = [...new Set([...a.suites, ...b.suites].map((suite) => suite.name))];
  const lines = names.map((name) => {
    const x = suiteOf(a, name), y = suiteOf(b, name);
    const alike = Boolean(x && y && x.hash && x.hash === y.hash && x.unit === y.unit && sameBase);
    return { name, x, y, alike, role: (y || x)?.role || "", unit: (y || x)?.unit || null, by: alike ? shift(x?.value, y?.value) : null };
  });
  const places = Object.keys(roles);
  lines.sort((s, t) => Number(moved(t.by)) - Number(moved(s.by)) || places.indexOf(s.role) - places.indexOf(t.role) || Math.abs(t.by?.[0] || 0) - Math.abs(s.by?.[0] || 0));
  const suites = lines.map((line) => {
    if (moved(line.by) && line.by) news.push(`${line.name} by ${shiftText(line.by, line.unit)}`);
    const tag = line.x && line.y ? (line.alike ? null : "not comparable") : line.x ? "only in A" : "only in B";
    /** @param {string} label @param {Suite|undefined} suite */
    const side = (label, suite) => {
      const told = cell(label, suite ? "n wide" : "n wide none", suite ? suite.text : "");
      if (suite) { told.append(el("span", "aside", suite.values)); told.title = `n = ${count(suite.n)}`; }
      return told;
    };
    return el("tr", moved(line.by) ? "moves" : "", head(line.name, line.role, tag), side("A", line.x), side("B", line.y), shiftCell(line.by, line.role !== "guard", line.unit));
  });

  const rules = [...new Set([...a.gates, ...b.gates].map((gate) => gate.name))].map((name) => {
    const [x, y] = [a, b].map((run) => run.gates.find((gate) => gate.name === name));
    return { name, x, y, turned: Boolean(x && y && x.verdict !== y.verdict) };
  });
  rules.sort((s, t) => Number(t.turned) - Number(s.turned));
  const gates = rules.map(({ name, x, y, turned }) => {
    if (turned && x && y) news.push(`gate ${name}, from ${verdicts[x.verdict] || x.verdict} to ${verdicts[y.verdict] || y.verdict}`);
    /** @param {string} label @param {Gate|undefined} gate */
    const side = (label, gate) => cell(label, gate ? "n wide" : "n wide none", gate ? verdict(gate.verdict) : "", gate ? el("span", "aside", `${gate.text}, limit ${gate.limit}`) : "");
    const tags = [(y || x)?.required ? null : "advisory", x && y ? (x.limit === y.limit ? null : "another limit") : x ? "only in A" : "only in B"];
    const turn = cell("Turned", turned ? "n wide" : "n wide none", turned && x && y ? el("span", `shift ${GATE_ORDER.indexOf(y.verdict) > GATE_ORDER.indexOf(x.verdict) ? "better" : "worse"}`, `${verdicts[x.verdict]} \u2192 ${verdicts[y.verdict]}`) : "");
    return el("tr", turned ? "moves" : "", head(name, ...tags), side("A", x), side("B", y), turn);
  });

  const warned = cautions(a, b);
  const back = link("\u2190 All runs", { show: "" });
  byId("compare").replaceChildren(
    el("p", "", back),
    el("h1", "", "Two runs"),
    el("div", "two", card("A", a), card("B", b)),
    el("p", "moved", news.length ? visible(`Moved: ${news.join("; ")}.`) : "Nothing moved by more than its interval, and no gate turned."),
    warned.length ? el("section", "cautions", el("ul", "", ...warned.map((text) => el("li", "", visible(text))))) : "",
    el("p", "note", "Each change B \u2212 A has the interval of two independent runs (MOVER, of their own intervals). Runs that share base and items err together, so theirs are mostly narrower than what stands here; no allowance is made for looking at many."),
    el("h2", "small", "Figures"), grid(["Figure", "A", "B", "B \u2212 A"], figures, "Figures"),
    ...(suites.length ? [el("h2", "small", "Suites, tuned \u2212 base"), grid(["Suite", "A", "B", "B \u2212 A"], suites, "Suites")] : []),
    ...(gates.length ? [el("h2", "small", "Gates"), grid(["Gate", "A", "B", "Turned"], gates, "Gates")] : []),
  );
  return true;
}

/** @param {Run} run */
const items = (run) => `${count(run.n)}${run.missing ? `, ${count(run.missing)} missing` : ""}`;

/** @param {string} letter @param {Run} run */
function card(letter, run) {
  const name = run.link ? el("a", "", visible(run.tuned)) : el("span", "", visible(run.tuned));
  if (run.link) /** @type {HTMLAnchorElement} */ (name).href = run.link;
  return el("div", "",
    el("p", "", el("span", "letter", letter), " ", name, el("span", "muted", " over ", visible(run.base))),
    el("p", "", el("span", `verdict ${run.verdict}`, run.word)),
    el("p", "aside", visible(run.why)),
    el("p", "aside", run.when, el("span", "where", visible(run.folder))));
}

/* --- keys and start ------------------------------------------------------------------------------------------- */

/** The run under the cursor, in view and with the focus. */
function reveal() {
  const body = bodies[runs.findIndex((run) => run.folder === view.at)];
  if (!body || body.hidden) return;
  /** @type {HTMLElement} */ (body.querySelector(".name")).focus({ preventScroll: true });
  const { top, bottom } = body.getBoundingClientRect();
  if (top < 40 || bottom > innerHeight - 64) body.scrollIntoView({ block: "center" });
}

/** @param {number} step */
function walk(step) {
  const visibleRows = [...table.tBodies].filter((body) => !body.hidden);
  const at = visibleRows.findIndex((body) => body.classList.contains("current"));
  const next = visibleRows[at < 0 ? (step > 0 ? 0 : -1) : at + step];
  if (!next) return;
  view = { ...view, at: runs[bodies.indexOf(next)].folder };
  history.replaceState(null, "", address({}));
  drawMarks();
  reveal();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const typing = event.target instanceof HTMLElement && event.target.matches("input:not([type=checkbox]), select") ? event.target : null;
  if (typing) { if (event.key === "Escape") typing.blur(); return; }
  if (event.key === "?") byId("help").showModal();
  else if (event.key === "c") openCompare();
  else if (event.key === "Escape") { if (view.show) { go({ show: "" }); reveal(); } else if (view.a || view.b) go({ a: "", b: "" }); }
  else if (view.show) return;
  else if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "x" && view.at) pick(view.at);
  else if (event.key === "/") { event.preventDefault(); form.elements.q.focus(); byId("runs").scrollIntoView(); }
}

async function start() {
  byId("unscripted").remove();
  let data;
  try {
    data = await unpack("data");
  } catch (error) {
    byId("found").append(`This browser could not unpack what sorting and comparing need (${error}); the table shows all runs.`);
    return;
  }
  ({ runs, verdicts, roles, setup } = data);
  bodies = runs.map((run) => byId(run.key));
  haystacks = runs.map((run) => [run.tuned, run.base, run.folder, run.word, run.why, run.when, ...run.suites.map((one) => one.name)].join("\n").toLowerCase());
  const names = [...new Set(runs.flatMap((run) => [run.base, run.tuned]))].sort();
  byId("models").append(...names.slice(0, 500).map((name) => new Option("", name)));
  form.elements.suite.append(...[...new Set(runs.flatMap((run) => run.suites.map((one) => one.name)))].sort().map((name) => new Option(name, name)));
  table.classList.add("pickable");
  bodies.forEach((body, at) => {
    const box = /** @type {HTMLElement} */ (body.querySelector(".pick"));
    box.hidden = false;
    boxes.push(/** @type {HTMLInputElement} */ (box.querySelector("input")));
    box.addEventListener("change", () => pick(runs[at].folder));
  });
  for (const one of table.querySelectorAll("th[data-sort]")) {
    const button = el("button", "", one.textContent);
    const [first, then] = HEADS[/** @type {HTMLElement} */ (one).dataset.sort || ""];
    button.onclick = () => go({ sort: view.sort === first ? then : first });
    one.replaceChildren(button);
  }
  /** @type {number|undefined} */ let wait;
  form.addEventListener("input", (/** @type {Event} */ event) => {
    const { name, value } = /** @type {HTMLInputElement} */ (event.target);
    clearTimeout(wait);
    const typed = name === "q" || name === "model";
    const apply = () => go({ [name]: value }, !typed);
    if (typed) wait = setTimeout(apply, 100);
    else apply();
  });
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  byId("keys").onclick = () => byId("help").showModal();
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
  form.hidden = false;
  render();
  follow();
}

start();
