// @ts-check
// The address bar holds the whole view: filters, order, the open item. An address that holds none is a view without any of them. Before view.js.
"use strict";

/** @typedef {{suite: string, task: string, slice: string, cell: string, cause: string, form: string, overlap: string, by: string, judge: string, agree: string, score: string, q: string,
 *   sort: string, open: string, sample: string, diff: string}} View */

const FILTERS = /** @type {const} */ (["suite", "task", "slice", "cell", "cause", "form", "overlap", "judge", "agree", "score", "q"]);
const VIEW = "#samples?";

/** @returns {View} */
function blank() {
  return { suite: "", task: "", slice: "", cell: "", cause: "", form: "", overlap: "", by: "", judge: "", agree: "", score: "", q: "", sort: "", open: "", sample: "", diff: "" };
}

/** A view without filters, in the order and the way of reading that it has now. @returns {View} */
function unfiltered() { return { ...blank(), by: view.by, sort: view.sort, diff: view.diff }; }

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
