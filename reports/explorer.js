// @ts-check
// The sample explorer: its filters and its keys. The last of the page's scripts: starts everything.
"use strict";

let drawn = "", ordered = "", offered = "";
/** Where the reader was last: walking goes on from there when nothing is open. */
let cursor = "";

/** Bring the page to the view. */
function render() {
  offerParts();
  for (const name of [...FILTERS, /** @type {const} */ ("by"), /** @type {const} */ ("sort")]) {
    const control = byId("filters").elements[name];
    const value = name === "sort" ? orderOf(view.sort)[0] : view[name];
    if (document.activeElement !== control || control.value !== value) control.value = value;
  }
  if (view.open) cursor = view.open;
  if (view.q.toLowerCase() !== search.needle) searchTexts(view.q.toLowerCase(), showHits);
  keepFocus(() => {
    const wanted = JSON.stringify([view.sort, view.by, ...FILTERS.map((name) => view[name])]);
    if (wanted === drawn) chunks.forEach((chunk, at) => { if (chunk.childElementCount) fillChunk(at); });
    else {
      drawn = wanted;
      const order = JSON.stringify([view.sort, view.by]);
      if (order !== ordered) { ordering = sorted(view.sort); ordered = order; drawHeads(view.sort, (sort) => go({ sort, open: "" })); }
      list();
    }
    const open = placeOf(view.open);
    if (open >= 0) fillChunk(Math.floor(open / PER_CHUNK));
  });
  drawOutside();
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

/** From the open item, else from the row with the focus, else from where the reader was last. @param {number} step */
function walk(step) {
  if (!matching.length) return;
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
  const at = placeOf(view.open || focused || cursor);
  const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
  if (next < 0 || next >= matching.length) return;
  go({ open: keyOf(matching[next]), sample: "" }, false);
  showOpen();
}

function closeItem() {
  const was = view.open;
  go({ open: "" });
  focusOn(`row ${was}`);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea") ? event.target : null;
  if (typing) { if (event.key === "Escape") typing.blur(); return; }
  if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "d") go({ diff: view.diff === "off" ? "" : "off" }, false);
  else if (event.key === "Escape" && view.open) closeItem();
  else if (event.key === "?") byId("help").showModal();
  else if (event.key === "/") { event.preventDefault(); byId("filters").elements.q.focus(); section.scrollIntoView(); }
}

/* --- filters ---------------------------------------------------------------------------------------------------- */

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

/** The tasks and slices of the suite that is chosen, or of all; offered where there are several. */
function offerParts() {
  const asked = JSON.stringify(view.suite);
  if (asked !== offered) {
    offered = asked;
    const suite = view.suite ? columns.suite.words.indexOf(view.suite) : null;
    const tasks = new Set(), slices = new Set();
    columns.task.codes.forEach((task, i) => {
      if (suite !== null && columns.suite.codes[i] !== suite) return;
      tasks.add(task);
      slices.add(columns.slices.codes[i]);
    });
    const { task, slice } = byId("filters").elements;
    task.replaceChildren(new Option("all tasks", ""), ...columns.task.words.filter((_, code) => tasks.has(code)).map((name) => new Option(name, name)));
    const found = [...new Set(sliced.flatMap((names, code) => (slices.has(code) ? [...names] : [])))].sort();
    slice.replaceChildren(new Option("all slices", ""), ...found.map((name) => new Option(sliceLabel(name), name)));
    const several = suite === null ? columns.task.words.length > columns.suite.words.length : tasks.size > 1;
    task.closest("label").dataset.several = several || "";
    slice.closest("label").dataset.several = found.length > 1 || "";
  }
  for (const name of /** @type {const} */ (["task", "slice"])) {
    const label = byId("filters").elements[name].closest("label");
    label.hidden = !label.dataset.several && !view[name];
  }
}

function offer() {
  const { suite, cell, cause, form, overlap, judge, agree, by, score, sort } = byId("filters").elements;
  fill(suite, "all suites", columns.suite.words);
  const present = new Set(columns.cell);
  fill(cell, "all cells", columns.cells.filter((_, code) => present.has(code)));
  fill(cause, "all causes", columns.cause.words);
  fill(form, "any form", Object.keys(FORMS));
  form.closest("label").hidden = !columns.form.some(Boolean);
  fill(overlap, "all items", columns.overlaps);
  overlap.closest("label").hidden = !columns.overlap.some(Boolean);
  const judged = new Set(columns.readers.flatMap((one) => [...new Set(one.codes)]));
  fill(judge, "all verdicts", columns.judges.filter((_, code) => judged.has(code)));
  choices(agree, "any", AGREES, columns.readers.flatMap((one) => [...new Set(one.codes.map((_, i) => agreement(i, one.codes)))]));
  for (const one of columns.readers) by.append(new Option(one.name, one === columns.readers[0] ? "" : one.name));
  by.closest("label").hidden = columns.readers.length < 2;
  judge.closest("label").hidden = agree.closest("label").hidden = !columns.readers.length;
  choices(score, "any score", SCORES, columns.id.map((_, i) => mark(i)));
  sort.append(new Option("suite and id", ""), ...Object.entries(SORTS).map(([name, label]) => new Option(label, name)));
}

/** A filter that the reader turns; typing waits for the next letter. */
function listen() {
  const form = byId("filters");
  /** @type {number|undefined} */ let wait;
  form.addEventListener("input", (/** @type {Event} */ event) => {
    const { name, value } = /** @type {HTMLInputElement} */ (event.target);
    clearTimeout(wait);
    // A task or a slice belongs to its suite.
    const apply = () => go({ ...(name === "suite" ? { task: "", slice: "" } : {}), [name]: value, open: "" }, name !== "q");
    if (name === "q") wait = setTimeout(apply, 150);
    else apply();
  });
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  byId("keys").onclick = () => byId("help").showModal();
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onLink);
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
}

async function start() {
  byId("unscripted").remove();
  foldTasks();
  followScroll();
  try {
    [, places] = await Promise.all([unpackItems(), unpack("places")]);
  } catch (error) {
    section.append(el("p", "empty", `This browser could not unpack the samples (${error}); they are in samples.parquet.`));
    return;
  }
  offer();
  listen();
  byId("explorer").hidden = false;
  follow();
  if (!drawn) render();
  // The list has just come to lie above what the address names.
  if (!location.hash.startsWith(VIEW)) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  performance.mark("explorer ready");
}

start();
