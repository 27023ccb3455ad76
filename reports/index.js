// @ts-check
// The index of runs: sort, filter, walk, pick. The rows themselves are in the page; this only orders and hides them. After runs.js,
// view.js and two_runs.js.
"use strict";

/** What a click on a column's head sorts by, first and then. @type {Record<string, string[]>} */
const HEADS = { name: ["name", "-name"], decision: ["decision", "-decision"], gain: ["gain", "-gain"], tax: ["-tax", "tax"], win: ["win", "-win"], when: ["", "oldest"] };
const table = /** @type {HTMLTableElement} */ (document.querySelector("table.runs"));
const form = byId("filters");

/** @type {number[]} */ let shown = [];
/** @type {HTMLElement[]} */ let bodies = [];
/** @type {HTMLInputElement[]} */ let boxes = [];
let order = "", owned = "";

/** Follow the address: a view, or a mark of a chart that leads to one run. */
function follow() {
  const before = view;
  const wanted = bodies.findIndex((one) => one.id && `#${one.id}` === location.hash);
  if (wanted >= 0) {
    const hidden = !shown.includes(wanted);
    view = { ...view, ...(hidden ? { model: "", suite: "", decision: "", q: "" } : {}), at: runs[wanted].folder, show: "" };
    history.replaceState(null, "", address({}));
  } else if (location.hash.startsWith(VIEW) || location.hash === "") {
    view = viewFromAddress();
  } else return;
  render();
  if (view.at && view.at !== before.at && !view.show) reveal();
  else if (FILTERS.some((name) => view[name] !== before[name])) byId("runs").scrollIntoView();
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
    line.append(link(visible(`${count(select({ ...view, [name]: "" }).length)} without ${name === "q" ? "the search" : name} "${view[name]}"`), { [name]: "" }));
  }
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
