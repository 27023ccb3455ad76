// @ts-check
// Two runs side by side: what moved between them, and what keeps their figures from being held against each other. After runs.js and view.js.
"use strict";

const GATE_ORDER = ["fail", "inconclusive", "pass"];
/** @type {Record<string, string>} */ let verdicts = {};
/** @type {Record<string, string>} */ let roles = {};
/** @type {Record<string, string>} */ let setup = {};

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
