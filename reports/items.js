// @ts-check
// The items' numbers: what is known of each without its texts, what they are sorted and chosen by. After page.js and orders.js.
"use strict";

/** @typedef {{codes: number[], words: string[]}} Coded */
/** slices: each word is a JSON object of what the item is, or "". @typedef {{suite: Coded, task: Coded, id: string[], slices: Coded, cell: number[], cause: Coded, form: number[], overlap: number[],
 *   readers: {name: string, codes: number[]}[], base: (number|null)[], tuned: (number|null)[], base_length: (number|null)[], tuned_length: (number|null)[], unit: string,
 *   cells: string[], judges: string[], overlaps: string[]}} Columns */

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

/** @type {Columns} */ let columns;
/** By code of `columns.slices`, its slices as the address names them: '["topic","algebra"]'. @type {Set<string>[]} */ let sliced = [];

/** @param {Coded} coded @param {number} i */
const word = (coded, i) => coded.words[coded.codes[i]];
/** @param {number} i */
const suiteOf = (i) => word(columns.suite, i);
/** @param {number} i */
const keyOf = (i) => JSON.stringify([suiteOf(i), word(columns.task, i), columns.id[i]]);
/** @param {string} name @param {string} suite */
const wordFor = (name, suite) => (unbounded.has(suite) && UNBOUNDED_WORDS[name]) || (guards.has(suite) && GUARD_WORDS[name]) || WORDS[name] || name.replaceAll("_", " ");

/** An item by its key, -1 where there is none. @param {string} key @returns {number} */
function itemOf(key) {
  let named;
  try { named = JSON.parse(key); } catch { return -1; }
  if (!Array.isArray(named)) return -1;
  const suite = columns.suite.words.indexOf(named[0]), task = columns.task.words.indexOf(named[1]);
  for (let i = columns.id.indexOf(named[2]); i >= 0; i = columns.id.indexOf(named[2], i + 1)) {
    if (columns.suite.codes[i] === suite && columns.task.codes[i] === task) return i;
  }
  return -1;
}

/** @param {string} text '["topic","algebra"]' @returns {string} topic: algebra */
function sliceLabel(text) {
  try { return JSON.parse(text).join(": "); } catch { return text; }
}

/** Read the packed numbers. */
async function unpackItems() {
  columns = await unpack("columns");
  sliced = columns.slices.words.map((text) => new Set(Object.entries(JSON.parse(text || "{}")).map((pair) => JSON.stringify(pair))));
}

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

/** Items that a view's filters leave, out of `among`. @param {View} wanted @param {number[]} among @returns {number[]} */
function select(wanted, among = ordering) {
  /** @param {string} value @param {string[]} words */
  const codeOf = (value, words) => (value ? words.indexOf(value) : null);
  const suite = codeOf(wanted.suite, columns.suite.words), task = codeOf(wanted.task, columns.task.words);
  const cell = codeOf(wanted.cell, columns.cells), cause = codeOf(wanted.cause, columns.cause.words);
  const overlap = codeOf(wanted.overlap, columns.overlaps), judge = codeOf(wanted.judge, columns.judges);
  const slice = wanted.slice ? sliced.map((names) => names.has(wanted.slice)) : null;
  const form = wanted.form ? FORMS[wanted.form] || 0 : null;
  const needle = wanted.q.toLowerCase(), codes = verdicts();
  const found = [];
  for (const i of among) {
    if (suite !== null && columns.suite.codes[i] !== suite) continue;
    if (task !== null && columns.task.codes[i] !== task) continue;
    if (slice !== null && !slice[columns.slices.codes[i]]) continue;
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

/** @param {number} i @param {string} needle in lower case */
const holds = (i, needle) =>
  search.hits.has(i) || columns.id[i].toLowerCase().includes(needle) || word(columns.task, i).toLowerCase().includes(needle);
