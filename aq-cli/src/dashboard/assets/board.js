// The board: asks for the cards that can be seen, and again when a column has changed.
"use strict";

const board = document.querySelector(".board-page");
const filter = document.querySelector("#filter");
const windowSize = Number(board.dataset.window);
const columns = new Map([...document.querySelectorAll(".column")].map((section) => [section.dataset.stage, new Column(section)]));

function cardHeight() {
    return parseFloat(getComputedStyle(board).getPropertyValue("--card"));
}

function Column(section) {
    this.section = section;
    this.box = section.querySelector(".cards");
    this.digest = section.dataset.digest;
    this.from = 0;
    // An answer that was overtaken by that to a later question is of no use.
    this.asked = 0;
    this.shown = 0;
    this.box.addEventListener("scroll", () => this.look(), { passive: true });
}

Column.prototype.sized = function () {
    return this.box.querySelector(".sized");
};

// The place of the first card that should be there, so that what is seen lies in the middle.
Column.prototype.wantedFrom = function () {
    const first = Math.floor(this.box.scrollTop / cardHeight());
    const seen = Math.ceil(this.box.clientHeight / cardHeight());
    return Math.max(0, first - Math.max(0, Math.floor((windowSize - seen) / 2)));
};

Column.prototype.look = function () {
    const first = Math.floor(this.box.scrollTop / cardHeight());
    const last = first + Math.ceil(this.box.clientHeight / cardHeight());
    const total = Number(this.sized().dataset.total);
    const hasFirst = first >= this.from;
    const hasLast = Math.min(last, total) <= this.from + windowSize;
    if (!hasFirst || !hasLast) this.ask();
};

Column.prototype.ask = async function () {
    const turn = ++this.asked;
    const from = this.wantedFrom();
    let answer;
    try {
        answer = await fetch(`/board/${this.section.dataset.stage}?${new URLSearchParams({ q: filter.value, from })}`);
    } catch {
        return;
    }
    if (!answer.ok || turn < this.shown) return;
    this.shown = turn;
    const sized = elements(await answer.text()).firstElementChild;
    const focused = document.activeElement?.closest(".slot")?.querySelector(".card").dataset.job;
    const isHere = this.box.contains(document.activeElement);
    this.from = Number(sized.dataset.from);
    this.digest = sized.dataset.digest;
    this.place(sized);
    this.box.replaceChildren(sized);
    this.section.querySelector(".count").textContent = sized.dataset.total;
    selection.show(this.box);
    if (isHere && focused) this.box.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.look();
};

// Also those whose cards are not here.
Column.prototype.selectAll = async function () {
    const q = filter.value;
    for (let from = 0, total = 1; from < total; from += windowSize) {
        const answer = await fetch(`/board/${this.section.dataset.stage}?${new URLSearchParams({ q, from })}`).catch(() => undefined);
        if (!answer?.ok) return;
        const sized = elements(await answer.text()).firstElementChild;
        total = Number(sized.dataset.total);
        for (const card of sized.querySelectorAll(".card")) selection.jobs.add(card.dataset.job);
    }
    selection.show(board);
};

Column.prototype.place = function (sized) {
    sized.style.height = Number(sized.dataset.total) * cardHeight() + "px";
    sized.style.paddingTop = this.from * cardHeight() + "px";
};

function stream() {
    return `/board/events?${new URLSearchParams({ q: filter.value })}`;
}

const follow = live(stream(), {
    board(told) {
        document.querySelector("#state").replaceChildren(elements(told.state));
        document.querySelector("#notices").replaceChildren(elements(told.notices));
        for (const [stage, { digest }] of Object.entries(told.columns)) {
            const column = columns.get(stage);
            if (column.digest !== digest) column.ask();
        }
    },
});

let typing;
filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
        history.replaceState(null, "", filter.value ? `/?${new URLSearchParams({ q: filter.value })}` : "/");
        for (const column of columns.values()) {
            column.box.scrollTop = 0;
            column.ask();
        }
        follow(stream());
    }, 150);
});
filter.form.addEventListener("submit", (event) => {
    event.preventDefault();
    move(0, 0);
});

// Arrows and h j k l go from card to card, past columns that have none.
function move(right, down) {
    const all = [...columns.values()];
    const card = document.activeElement?.closest(".slot")?.querySelector(".card");
    if (!card) {
        all.map((column) => column.box.querySelector(".card")).find(Boolean)?.focus();
        return;
    }
    if (down) {
        const slot = card.parentElement;
        const next = down > 0 ? slot.nextElementSibling : slot.previousElementSibling;
        next?.querySelector(".card").focus();
        return;
    }
    const slots = [...card.closest(".sized").children];
    const top = slots.indexOf(card.parentElement);
    let at = all.findIndex((column) => column.box.contains(card)) + right;
    while (all[at]) {
        const there = all[at].box.querySelectorAll(".card");
        if (there.length > 0) {
            there[Math.min(top, there.length - 1)].focus();
            return;
        }
        at += right;
    }
}
for (const [key, right, down] of [["ArrowLeft", -1, 0], ["h", -1, 0], ["ArrowRight", 1, 0], ["l", 1, 0], ["ArrowUp", 0, -1], ["k", 0, -1], ["ArrowDown", 0, 1], ["j", 0, 1]]) {
    onKey(key, () => move(right, down));
}
onKey("/", () => filter.focus());
document.addEventListener("acted", () => columns.forEach((column) => column.ask()));

// What is selected stays so when a card is drawn anew, moves, or is scrolled out of sight.
const selection = {
    jobs: new Set(),
    form: document.querySelector("#bulk"),
    set(job, isSelected) {
        if (isSelected) this.jobs.add(job);
        else this.jobs.delete(job);
        this.show(board);
    },
    show(part) {
        for (const box of part.querySelectorAll(".slot > input")) box.checked = this.jobs.has(box.value);
        if (!this.form) return;
        this.form.hidden = this.jobs.size === 0;
        document.querySelector("#selected").textContent = this.jobs.size + " selected";
    },
    clear() {
        this.jobs.clear();
        this.show(board);
    },
    toggle() {
        const box = document.activeElement?.closest(".slot")?.querySelector("input");
        if (box) this.set(box.value, !box.checked);
    },
};
board.addEventListener("change", (event) => {
    if (event.target.matches(".slot > input")) selection.set(event.target.value, event.target.checked);
});
selection.form?.addEventListener("reset", (event) => {
    event.preventDefault();
    selection.clear();
});
// All that are selected are sent, not only those whose cards are here.
selection.form?.addEventListener("formdata", ({ formData }) => {
    formData.delete("job");
    for (const job of selection.jobs) formData.append("job", job);
});
document.addEventListener("acted", ({ detail }) => {
    if (detail.form !== selection.form) return;
    selection.jobs = new Set(detail.refused);
    selection.show(board);
});
onKey("x", () => selection.toggle());
onKey("b", () => selection.form?.querySelector("button:enabled")?.focus());
onKey("Escape", () => selection.clear());
for (const button of board.querySelectorAll("#bulk [type=reset], .all")) button.hidden = false;
for (const column of columns.values()) column.section.querySelector(".all")?.addEventListener("click", () => column.selectAll());
selection.show(board);

for (const column of columns.values()) column.place(column.sized());
