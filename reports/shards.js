// @ts-check
// The texts: packed in shards, each unpacked when an item of it is opened or a search comes by. After page.js.
"use strict";

/** @typedef {{value?: number, text?: string, reasoning?: string, answer?: string, cause?: string, overlap?: number, finish?: string, tokens?: number,
 *   failure?: string, message?: string, hint?: string}} Answer */
/** @typedef {{judge: string, order: string, winner: string|null, reason: string|null, failure: string|null}} Said */
/** @typedef {{prompt: string|null, base_prompt?: string|null, gold: string|null, metric?: string, base: Answer[], tuned: Answer[],
 *   verdicts: Said[]}} Texts */
/** lower: for a quick look whether a search can find anything in it. @typedef {{raw: string, lower?: string, entries?: Record<string, Texts>}} Shard */

/** Shards that stay unpacked: about 50 MB of text. */
const HELD = 64;
/** Milliseconds of searching before the page gets a turn. */
const TURN = 12;
/** By item, which shard has its texts; -1: none. @type {number[]} */ let places = [];
/** Those used last come last. @type {Map<number, Shard>} */ const shards = new Map();
const blocks = document.getElementsByClassName("shard");

/** @param {number} number @returns {Promise<Shard>} */
async function unpackShard(number) {
  const shard = shards.get(number) || { raw: await unpackText(blocks[number]) };
  shards.delete(number);
  shards.set(number, shard);
  for (const oldest of shards.keys()) if (shards.size > HELD) shards.delete(oldest);
  return shard;
}

/** @param {Shard} shard @returns {Record<string, Texts>} */
const entriesOf = (shard) => (shard.entries ??= JSON.parse(shard.raw));

/** An item's texts, if they are unpacked already. @param {number} i @returns {Texts|undefined} */
function textsAtHand(i) {
  const shard = shards.get(places[i]);
  return shard && entriesOf(shard)[i];
}

/* --- search --------------------------------------------------------------------------------------------------- */

/** needle: in lower case. read, of: shards. @typedef {{needle: string, hits: Set<number>, read: number, of: number, done: boolean}} Search */
/** @type {Search} */ let search = { needle: "", hits: new Set(), read: 0, of: 0, done: true };

/** Whether the prompt, an answer, what was extracted from it, the gold or a reason of a judge holds it. @param {Texts} entry @param {string} needle */
function saysSo(entry, needle) {
  const said = [entry.prompt, entry.base_prompt, entry.gold, ...[...entry.base, ...entry.tuned].flatMap((one) => [one.text, one.reasoning, one.answer]), ...entry.verdicts.flatMap((one) => [one.reason, one.failure])];
  return said.some((text) => text && text.toLowerCase().includes(needle));
}

/** Read all texts on the page for the needle; the next search ends this one. Goes on from an answered search for a part of it.
 * @param {string} needle in lower case @param {() => void} tell called now and then, and at the end */
async function searchTexts(needle, tell) {
  const narrows = search.done && search.needle && needle.includes(search.needle);
  const within = narrows ? search.hits : null;
  const todo = narrows ? [...new Set([...search.hits].map((i) => places[i]))] : [...blocks].map((_, number) => number);
  /** @type {Search} */ const mine = { needle, hits: new Set(), read: 0, of: todo.length, done: !needle || !todo.length };
  search = mine;
  if (mine.done) return;
  const packed = JSON.stringify(needle).slice(1, -1);
  let turn = performance.now(), told = turn;
  for (const number of todo) {
    const shard = await unpackShard(number);
    if (search !== mine) return;
    shard.lower ??= shard.raw.toLowerCase();
    if (shard.lower.includes(packed)) {
      for (const [i, entry] of Object.entries(entriesOf(shard))) {
        if ((!within || within.has(Number(i))) && saysSo(entry, needle)) mine.hits.add(Number(i));
      }
    }
    mine.read++;
    if (performance.now() - turn > TURN) {
      if (performance.now() - told > 250) { told = performance.now(); tell(); }
      await new Promise((resolve) => setTimeout(resolve));
      if (search !== mine) return;
      turn = performance.now();
    }
  }
  mine.done = true;
  tell();
}
