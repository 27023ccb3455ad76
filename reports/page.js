// @ts-check
// What every page's script needs: packed blocks, elements that hold text and never markup, numbers.
"use strict";

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** The text of a packed block, which is gzipped and in base64. @param {Element} block @returns {Promise<string>} */
async function unpackText(block) {
  const binary = atob((block.textContent || "").trim());
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** @param {string} id @returns {Promise<any>} */
const unpack = async (id) => JSON.parse(await unpackText(byId(id)));

/** An element with text and children; never markup.
 * @param {string} tag @param {string} className @param {(Node|string|null|undefined)[]} children @returns {HTMLElement} */
function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** Text whose invisible and direction-turning characters show as what they are; joiners, which scripts and emoji need, stay. @param {string} text @returns {DocumentFragment} */
function visible(text) {
  const fragment = document.createDocumentFragment();
  const odd = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e01ef}]/gu;
  let from = 0;
  for (const match of text.matchAll(odd)) {
    fragment.append(text.slice(from, match.index));
    const code = (match[0].codePointAt(0) || 0).toString(16).toUpperCase().padStart(4, "0");
    fragment.append(el("span", "odd", `U+${code}`));
    from = match.index + match[0].length;
  }
  fragment.append(text.slice(from));
  return fragment;
}

/** @param {number} n */
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
