// @ts-check
// The runs of the index, and which of them are shown in which order. Before view.js.
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
const VIEW = "#runs?";
const OUTCOMES = ["go", "inconclusive", "incomplete", "no_go"];

/** @type {Run[]} */ let runs = [];
/** @type {string[]} */ let haystacks = [];

/** @returns {View} */
function blank() { return { model: "", suite: "", decision: "", q: "", sort: "", at: "", a: "", b: "", show: "" }; }

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
