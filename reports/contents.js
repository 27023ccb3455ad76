// @ts-check
// Around the samples: the contents that follow the scroll, and tasks that unfold under their suite. After page.js.
"use strict";

/** Buttons that show and hide the rows of a suite's tasks; without scripts all rows show. */
function foldTasks() {
  for (const button of document.querySelectorAll("button[data-expand]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    const rows = [...(button.closest("tbody")?.querySelectorAll("tr.task") || [])];
    const toggle = () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      for (const row of rows) /** @type {HTMLElement} */ (row).hidden = !open;
    };
    button.hidden = false;
    button.onclick = toggle;
    toggle();
  }
}

/** Mark the part of the page that is on the screen; on a narrow screen the closed contents name it. */
function followScroll() {
  const folded = /** @type {HTMLDetailsElement|null} */ (document.querySelector(".contents details"));
  const links = [...document.querySelectorAll(".contents a")];
  const idOf = (/** @type {Element} */ one) => (one.getAttribute("href") || "").slice(1);
  const sections = [...new Set(links.map(idOf))].map(byId).filter(Boolean);
  const follow = () => {
    const current = sections.filter((one) => one.getBoundingClientRect().top < innerHeight / 3).pop() || sections[0];
    for (const one of links) {
      if (idOf(one) !== current.id) { one.removeAttribute("aria-current"); continue; }
      one.setAttribute("aria-current", "true");
      byId("here").textContent = one.textContent;
    }
  };
  addEventListener("scroll", follow, { passive: true });
  follow();
  if (!folded) return;
  // Before the page scrolls, or the open contents would lie over what was asked for.
  folded.addEventListener("click", (event) => { if (event.target instanceof Element && event.target.closest("a")) folded.open = false; });
  document.addEventListener("click", (event) => { if (event.target instanceof Node && !folded.contains(event.target)) folded.open = false; });
}
