// @ts-check
// Paper cannot be clicked: what is folded is opened for printing, and folded again. After page.js.
"use strict";

/** What puts everything back. @type {(() => void)[]} */ let folded = [];

addEventListener("beforeprint", () => {
  for (const block of document.querySelectorAll("main details:not([open])")) {
    block.setAttribute("open", "");
    folded.push(() => block.removeAttribute("open"));
  }
  for (const row of document.querySelectorAll("main tr.task[hidden]")) {
    row.removeAttribute("hidden");
    folded.push(() => row.setAttribute("hidden", ""));
  }
});

addEventListener("afterprint", () => {
  for (const back of folded) back();
  folded = [];
});
