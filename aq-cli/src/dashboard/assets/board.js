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
    const focused = document.activeElement?.closest(".card")?.dataset.job;
    const isHere = this.box.contains(document.activeElement);
    this.from = Number(sized.dataset.from);
    this.digest = sized.dataset.digest;
    this.place(sized);
    this.box.replaceChildren(sized);
    this.section.querySelector(".count").textContent = sized.dataset.total;
    if (isHere && focused) this.box.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.look();
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
    const card = document.activeElement?.closest(".card");
    if (!card) {
        all.map((column) => column.box.querySelector(".card")).find(Boolean)?.focus();
        return;
    }
    if (down) {
        const next = down > 0 ? card.nextElementSibling : card.previousElementSibling;
        next?.focus();
        return;
    }
    const cards = [...card.parentElement.children];
    const top = cards.indexOf(card);
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

for (const column of columns.values()) column.place(column.sized());
