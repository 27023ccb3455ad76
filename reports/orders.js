// @ts-check
// Orders of items: by what, how, and the heads over the list. After page.js.
"use strict";

/** By what items can be sorted, and what the first of them is. @type {Record<string, string>} */
const SORTS = {
  id: "item id", cell: "cell", cause: "cause", judge: "verdict", agree: "verdict against scores", loss: "largest loss", gain: "largest gain",
  lowest: "lowest score of tuned", lowest_base: "lowest score of base", longer: "grew longest", shorter: "grew shortest", long: "longest answer of tuned",
};
/** The heads over the list, in its order: by what each sorts. @type {[string, string][]} */
const HEADS = [["cell", "Cell"], ["", "Suite"], ["id", "Item"], ["cause", "Cause"], ["judge", "Verdict"], ["longer", "Length"]];

/** An order as the address says it: a name of SORTS or nothing, after "-" where it runs backwards. @param {string} sort @returns {[string, boolean]} */
function orderOf(sort) {
  const backwards = sort.startsWith("-");
  const name = backwards ? sort.slice(1) : sort;
  return [SORTS[name] ? name : "", backwards];
}

/** Positions in the order of their keys; equal ones stay in the order they have, null goes last either way.
 * Few keys differ among many items: each gets its rank once, and items are counted into place.
 * @param {(number|string|null)[]} keys @param {boolean} backwards @returns {number[]} */
function inOrder(keys, backwards) {
  /** @type {(number|string)[]} */ let known = /** @type {any[]} */ ([...new Set(keys)].filter((key) => key !== null));
  if (typeof known[0] === "number") known = [...Float64Array.from(/** @type {number[]} */ (known)).sort()];
  else known.sort();
  if (backwards) known.reverse();
  const ranks = new Map(known.map((key, rank) => [key, rank]));
  const starts = new Uint32Array(known.length + 2);
  const of = new Uint32Array(keys.length);
  keys.forEach((key, i) => { of[i] = key === null ? known.length : /** @type {number} */ (ranks.get(key)); starts[of[i] + 1]++; });
  for (let rank = 1; rank < starts.length; rank++) starts[rank] += starts[rank - 1];
  const out = new Array(keys.length);
  for (let i = 0; i < keys.length; i++) out[starts[of[i]]++] = i;
  return out;
}

/** @param {string} sort @param {(sort: string) => void} ask */
function drawHeads(sort, ask) {
  const [name, backwards] = orderOf(sort);
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.sort : undefined;
  byId("heads").replaceChildren(...HEADS.map(([by, label]) => {
    const mine = by === name;
    const head = el("button", "", label, mine ? el("span", "arrow", backwards ? " \u25b4" : " \u25be") : null);
    head.dataset.sort = by;
    head.setAttribute("aria-pressed", String(mine));
    head.title = `Sort by ${by ? SORTS[by] : "suite and id"}${mine && !backwards ? ", backwards" : ""}`;
    head.onclick = () => ask(mine && !backwards ? `-${by}` : by);
    return head;
  }));
  for (const head of byId("heads").children) if (head instanceof HTMLElement && head.dataset.sort === focused) head.focus({ preventScroll: true });
  byId("reverse").setAttribute("aria-pressed", String(backwards));
  byId("reverse").onclick = () => ask(backwards ? name : `-${name}`);
}
