// @ts-check
// One item, opened: its prompt, both answers, what judges said, and how to ask it again. After shards.js, items.js, address.js and diff.js.
// What a model wrote reaches the page through textContent only.
"use strict";

/** @type {Record<string, Record<string, string>>} */
const commands = JSON.parse(section.dataset.commands || "{}");
/** Whose reasoning the reader has unfolded; it stays so when the item is drawn again, and for the next one. @type {Set<string>} */
const unfolded = new Set();

/** Fetch an open item's texts, then have it drawn again. @param {number} i */
function drawWaiting(i) {
  const waiting = el("div", "waiting", "Unpacking this item's texts …");
  unpackShard(places[i]).then(
    () => { if (waiting.isConnected) redraw(i); },
    (error) => waiting.replaceChildren(`This browser could not unpack them (${error}); they are in samples.parquet.`),
  );
  return waiting;
}

/** @param {number} i */
function drawDetail(i) {
  const entry = textsAtHand(i);
  const suite = suiteOf(i);
  const detail = el("div", "detail");
  if (places[i] >= 0 && !entry) return drawWaiting(i);
  if (!entry) {
    detail.append(el("p", "empty", "This item's texts are not on the page; samples.parquet has them, and these commands ask for them again."));
  } else {
    const sample = Math.min(Number(view.sample) || 0, Math.max(entry.base.length, entry.tuned.length) - 1);
    const base = entry.base[sample], tuned = entry.tuned[sample];
    const marks = view.diff === "off" ? null : diff(base?.text || "", tuned?.text || "");
    detail.append(
      drawTools(entry, sample, marks),
      el("h3", "", entry.base_prompt === undefined ? "Prompt, as both models saw it" : "Prompt, as tuned saw it"),
      el("pre", "text prompt", visible(entry.prompt ?? "No prompt is recorded.")),
      ...(entry.base_prompt === undefined ? [] : [
        el("h3", "", "Prompt, as base saw it"),
        el("pre", "text prompt", visible(entry.base_prompt ?? "Not recorded.")),
      ]),
      el("div", "pair", drawAnswer("base", base, entry, marks && marks[0]), drawAnswer("tuned", tuned, entry, marks && marks[1])),
      ...entry.verdicts.map(drawSaid),
    );
  }
  const asked = ["base", "tuned"].filter((arm) => commands[arm]?.[suite]);
  if (asked.length) detail.append(el("h3", "again", "Ask again"));
  for (const arm of asked) {
    const command = `${commands[arm][suite]} --id ${quoted(columns.id[i])}`;
    const shown = el("pre", "command", visible(command));
    detail.append(el("div", "ask", shown, copier(command, shown, arm)));
  }
  return detail;
}

/** A button that copies a command; where the browser allows no clipboard it is selected instead.
 * @param {string} text @param {HTMLElement} shown @param {string} arm */
function copier(text, shown, arm) {
  const state = el("span", "", "Copy");
  const button = el("button", "copy", state, el("span", "unseen", ` the command that asks ${arm} again`));
  button.dataset.focus = `copy ${arm}`;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      state.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(shown);
      state.textContent = "Selected";
    }
  };
  state.setAttribute("aria-live", "polite");
  return button;
}

/** @param {string} label @param {string} focus what the focus comes back to when it is drawn again @param {boolean} pressed @param {() => void} act */
function tool(label, focus, pressed, act) {
  const button = el("button", "", label);
  button.dataset.focus = focus;
  button.setAttribute("aria-pressed", String(pressed));
  button.onclick = act;
  return button;
}

/** marks: undefined where the answers are too different for a diff, null where it is switched off.
 * @param {Texts} entry @param {number} sample @param {[[string, boolean][], [string, boolean][]]|null|undefined} marks */
function drawTools(entry, sample, marks) {
  const tools = el("div", "tools", tool("Word diff", "diff", view.diff !== "off", () => go({ diff: view.diff === "off" ? "" : "off" }, false)));
  if (marks === undefined) tools.append("The two answers have too little in common for a word diff.");
  else if (marks && marks.some((side) => side.some(([, changed]) => changed))) tools.append(el("span", "told", el("del", "", "only in base"), " ", el("ins", "", "only in tuned")));
  const samples = Math.max(entry.base.length, entry.tuned.length);
  if (samples > 1) tools.append("Sample");
  for (let s = 0; samples > 1 && s < samples; s++) {
    const one = tool(String(s + 1), `sample ${s}`, s === sample, () => go({ sample: s ? String(s) : "" }, false));
    one.setAttribute("aria-label", `Sample ${s + 1}`);
    tools.append(one);
  }
  tools.append(el("span", "", "next and previous: ", el("kbd", "", "j"), " ", el("kbd", "", "k")));
  return tools;
}

/** @param {"base"|"tuned"} arm @param {Answer|undefined} answer @param {Texts} entry @param {[string, boolean][]|null|undefined} marks */
function drawAnswer(arm, answer, entry, marks) {
  const side = el("div", arm, el("h3", "", arm === "base" ? "Base" : "Tuned"));
  if (!answer) { side.append(el("p", "empty", "No answer was recorded.")); return side; }
  const facts = el("dl", "answers");
  /** @param {string} name @param {string|undefined|null} value */
  const fact = (name, value) => { if (value !== undefined && value !== null) facts.append(el("dt", "", name), el("dd", "", visible(value))); };
  fact("score", answer.value === undefined ? "none" : `${Number(answer.value.toFixed(3))}${answer.cause ? ` (${WORDS[answer.cause] || answer.cause})` : ""}`);
  if (answer.value !== undefined) fact("scored by", entry.metric);
  fact("answer", answer.answer ?? (answer.failure || answer.value === undefined ? null : "nothing extracted"));
  fact("gold", entry.gold);
  if (answer.overlap !== undefined) fact("in training", `${Math.round(answer.overlap * 100)} % of the item's words`);
  fact("ended", `${answer.finish === "length" ? "at the token limit" : answer.finish || "not said"}${answer.tokens ? `, ${count(answer.tokens)} tokens` : ""}`);
  if (answer.failure) fact("failed", [answer.failure.replaceAll("_", " "), answer.message, answer.hint].filter(Boolean).join(": "));
  side.append(facts);
  if (answer.reasoning) side.append(drawReasoning(arm, answer.reasoning));
  const text = el("pre", "text");
  if (!answer.text) text.append(el("span", "muted", answer.failure ? "(no answer)" : answer.text === undefined ? "(not recorded)" : "(empty)"));
  else if (!marks) text.append(visible(answer.text));
  else for (const [part, changed] of marks) text.append(changed ? el(arm === "base" ? "del" : "ins", "", visible(part)) : visible(part));
  side.append(text);
  return side;
}

/** @param {"base"|"tuned"} arm @param {string} reasoning */
function drawReasoning(arm, reasoning) {
  const title = el("summary", "", "Reasoning");
  title.dataset.focus = `reasoning ${arm}`;
  const block = /** @type {HTMLDetailsElement} */ (el("details", "", title, el("pre", "text", visible(reasoning))));
  block.open = unfolded.has(arm);
  // Printing opens blocks too; only the reader's own click is remembered.
  title.onclick = () => { if (block.open) unfolded.delete(arm); else unfolded.add(arm); };
  return block;
}

/** @type {Record<string, string>} */
const ORDERS = { base_first: "base shown first", tuned_first: "tuned shown first", apart: "graded one by one" };

/** @param {Said} said */
function drawSaid(said) {
  const order = ORDERS[said.order] || "order not recorded";
  const winner = said.winner ? (said.winner === "tie" ? "tie" : `prefers ${said.winner}`) : "unreadable";
  return el("div", "says", el("b", "", visible(`${said.judge}, ${order}: ${winner}`)), "\n", visible(said.failure || said.reason || "no reason given"));
}

/** A word as a POSIX shell reads it. @param {string} text */
function quoted(text) { return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`; }
