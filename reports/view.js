// @ts-check
// The view is what the address bar says: filters, order, what is open. Before it a page's script says what its `View` holds, and under
// which word (`VIEW`) it stands in the address; after it one that draws (`render`). After page.js.
"use strict";

/** @type {View} */ let view = blank();

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

/** @param {string|Node} text @param {Partial<View>} change */
function link(text, change) {
  const anchor = /** @type {HTMLAnchorElement} */ (el("a", "", text));
  anchor.href = address(change);
  return anchor;
}
