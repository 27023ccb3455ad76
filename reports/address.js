// @ts-check
// The address bar holds the whole view: filters, order, the open item. An address that holds none is a view without any of them. After page.js.
"use strict";

/** @typedef {{suite: string, task: string, slice: string, cell: string, cause: string, form: string, overlap: string, by: string, judge: string, agree: string, score: string, q: string,
 *   sort: string, open: string, sample: string, diff: string}} View */

const FILTERS = /** @type {const} */ (["suite", "task", "slice", "cell", "cause", "form", "overlap", "judge", "agree", "score", "q"]);
const VIEW = "#samples?";

/** @type {View} */ let view = blank();

/** @returns {View} */
function blank() {
  return { suite: "", task: "", slice: "", cell: "", cause: "", form: "", overlap: "", by: "", judge: "", agree: "", score: "", q: "", sort: "", open: "", sample: "", diff: "" };
}

/** A view without filters, in the order and the way of reading that it has now. @returns {View} */
function unfiltered() { return { ...blank(), by: view.by, sort: view.sort, diff: view.diff }; }

/** @returns {View} */
function viewFromAddress() {
  const found = blank();
  if (!location.hash.startsWith(VIEW)) return found;
  const said = new URLSearchParams(location.hash.slice(VIEW.length));
  for (const name of /** @type {(keyof View)[]} */ (Object.keys(found))) found[name] = said.get(name) || "";
  return found;
}

/** @param {Partial<View>} change @returns {string} */
function address(change) {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...view, ...change })) if (value) said.set(name, value);
  return `${VIEW}${said}`;
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

/** @param {string} text @param {Partial<View>} change */
function link(text, change) {
  const anchor = /** @type {HTMLAnchorElement} */ (el("a", "", text));
  anchor.href = address(change);
  return anchor;
}

/** Follow the address to where a link, Back or Forward led. */
function follow() {
  const before = view;
  view = viewFromAddress();
  if (JSON.stringify(view) === JSON.stringify(before)) return;
  render();
  if (view.open && view.open !== before.open && placeOf(view.open) >= 0) showOpen();
  else if (view.open && view.open !== before.open) section.scrollIntoView();
  else if (FILTERS.some((name) => view[name] && view[name] !== before[name])) section.scrollIntoView();
  else if (before.open && !view.open) focusOn(`row ${before.open}`);
}

/** A link to a part of the page goes there; a view that the address holds stays in it. @param {MouseEvent} event */
function onLink(event) {
  const anchor = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
  const href = anchor?.getAttribute("href") || "";
  const part = document.getElementById(decodeURIComponent(href.slice(1)));
  if (!part || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (!location.hash.startsWith(VIEW)) return;
  event.preventDefault();
  part.scrollIntoView();
  if (!part.hasAttribute("tabindex")) part.tabIndex = -1;
  part.focus({ preventScroll: true });
}
