// @ts-check
// The word diff of two answers.
"use strict";

/** Myers' greedy shortest edit script over words. Two lists of [text, changed], or undefined where too little is shared.
 * @param {string} before @param {string} after @returns {[[string, boolean][], [string, boolean][]]|undefined} */
function diff(before, after) {
  const words = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;
  const a = before.match(words) || [], b = after.match(words) || [];
  const n = a.length, m = b.length, most = Math.min(n + m, 1500), middle = most + 1;
  /** @type {Int32Array} */ let reach = new Int32Array(2 * most + 3);
  /** @type {Int32Array[]} */ const trace = [];
  let d = 0, done = false;
  for (; d <= most && !done; d++) {
    trace.push(reach.slice());
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]) ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < n && x - k < m && a[x] === b[x - k]) x++;
      reach[middle + k] = x;
      if (x >= n && x - k >= m) { done = true; break; }
    }
  }
  if (!done) return undefined;
  const gone = new Uint8Array(n), come = new Uint8Array(m);
  let x = n, y = m;
  for (d--; d > 0; d--) {
    reach = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
    const from = down ? k + 1 : k - 1, startX = reach[middle + from], startY = startX - from;
    if (down) come[startY] = 1; else gone[startX] = 1;
    x = startX; y = startY;
  }
  return [runs(a, gone), runs(b, come)];
}

/** @param {string[]} words @param {Uint8Array} changed @returns {[string, boolean][]} */
function runs(words, changed) {
  /** @type {[string, boolean][]} */ const out = [];
  words.forEach((one, i) => {
    const last = out[out.length - 1];
    if (last && last[1] === Boolean(changed[i])) last[0] += one;
    else out.push([one, Boolean(changed[i])]);
  });
  return out;
}
