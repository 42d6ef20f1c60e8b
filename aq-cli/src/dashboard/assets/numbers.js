// Brings the main part of a page up to date: when the queue changes, or as often as the page says, but not
// more often than a person can read. What is unfolded, scrolled to or focused stays so.
"use strict";

const PAUSE = 5000;
let shown;
let planned;
let renewed = Date.now();

// Somebody types, or marks something to copy it: that is not taken away.
function isInUse(main) {
    const active = document.activeElement;
    const isTyping = main.contains(active) && active.matches("input, textarea, select");
    const marked = getSelection();
    return isTyping || (!marked.isCollapsed && main.contains(marked.anchorNode));
}

async function renew() {
    planned = undefined;
    const main = document.querySelector("main");
    renewed = Date.now();
    if (document.hidden || isInUse(main)) return plan();
    let text;
    try {
        const answer = await fetch(location.href);
        if (!answer.ok) return;
        text = await answer.text();
    } catch {
        return;
    }
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    if (!fresh || fresh.outerHTML === shown || isInUse(main)) return;
    shown = fresh.outerHTML;
    const open = [...main.querySelectorAll("details[open][id]")].map((one) => one.id);
    const places = [...main.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    const focused = main.contains(document.activeElement) ? document.activeElement : undefined;
    const href = focused?.getAttribute("href");
    const fold = focused?.closest("details[id]")?.id;
    tellTimes(fresh);
    for (const id of open) fresh.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
    main.replaceWith(document.adoptNode(fresh));
    const boxes = [...fresh.querySelectorAll(".scroll")];
    if (boxes.length === places.length) boxes.forEach((box, n) => box.scrollTo(...places[n]));
    const again = href ? `[href="${CSS.escape(href)}"]` : fold && `#${CSS.escape(fold)} > summary`;
    if (again) fresh.querySelector(again)?.focus({ preventScroll: true });
}

function plan() {
    planned ??= setTimeout(renew, Math.max(0, renewed + PAUSE - Date.now()));
}

// The first one tells what the page shows already.
let isFirst = true;
live("/board/events", {
    board() {
        if (!isFirst) plan();
        isFirst = false;
    },
});
document.addEventListener("acted", plan);
// The fleet changes without a file of this queue.
if ("poll" in document.querySelector("main").dataset) setInterval(plan, PAUSE);
// The job that was asked for may lie outside of what can be seen.
document.querySelector(".node.chosen")?.scrollIntoView({ block: "nearest", inline: "center" });
