// The page of a job: what changes is asked for again, the log grows and goes back a piece at a time.
"use strict";

const page = document.querySelector(".job-page");
const view = document.querySelector("#view");
const here = `/jobs/${page.dataset.job}`;
// More of a log than this, in bytes, is not kept in the page; a piece that grows ends at the other.
const most = 2 << 20;
const pieceBytes = 128 << 10;

async function ask(path, query) {
    try {
        const answer = await fetch(`${here}/${path}?${new URLSearchParams(query)}`);
        return answer.ok ? elements(await answer.text()) : null;
    } catch {
        return null;
    }
}

// One question at a time; what comes meanwhile is asked once more at the end, after a pause.
function oneByOne(act, pause) {
    let busy = false;
    let again = false;
    return async function turn() {
        if (busy) {
            again = true;
            return;
        }
        busy = true;
        await act();
        setTimeout(() => {
            busy = false;
            if (again) {
                again = false;
                turn();
            }
        }, pause);
    };
}

const refreshHead = oneByOne(async () => {
    const head = document.querySelector("#head");
    const fresh = await ask("head", { view: page.dataset.view });
    // What somebody types is not taken away.
    if (fresh && !head.contains(document.activeElement?.closest("input"))) head.replaceChildren(fresh);
}, 200);

const refreshView = oneByOne(async () => {
    const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 60;
    const fresh = await ask("view", { view: page.dataset.view });
    if (!fresh) return;
    const open = new Map([...view.querySelectorAll("details[data-keep]")].map((one) => [one.dataset.keep, one.open]));
    for (const one of fresh.querySelectorAll("details[data-keep]")) {
        if (open.has(one.dataset.keep)) one.open = open.get(one.dataset.keep);
    }
    view.replaceChildren(fresh);
    if (isAtEnd && page.dataset.view === "steps") scrollTo(0, document.documentElement.scrollHeight);
}, 1000);

function Log(box) {
    this.box = box;
    this.earlier = view.querySelector(".earlier");
    this.follow = view.querySelector("#follow");
    this.isLive = "live" in box.dataset;
    if (this.isLive) {
        view.querySelector(".follow").hidden = false;
        this.toEnd();
    }
    this.grow = oneByOne(() => this.askNext(), 500);
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.follow.addEventListener("change", () => {
        if (this.follow.checked) this.toTail();
    });
    this.earlier.addEventListener("click", (event) => {
        event.preventDefault();
        this.askEarlier();
    });
}

Log.prototype.pieces = function () {
    return [...this.box.querySelectorAll(".piece")];
};

Log.prototype.bytes = function () {
    const pieces = this.pieces();
    return Number(pieces.at(-1).dataset.to) - Number(pieces[0].dataset.from);
};

Log.prototype.toEnd = function () {
    this.box.scrollTop = this.box.scrollHeight;
};

Log.prototype.scrolled = function () {
    if (!this.isLive) return;
    const isAtEnd = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 30;
    if (isAtEnd !== this.follow.checked && !(isAtEnd && this.isCutOff)) this.follow.checked = isAtEnd;
};

// From the end on, as if the page were new.
Log.prototype.toTail = async function () {
    if (this.isCutOff) {
        const fresh = await ask("log", {});
        if (!fresh) return;
        this.box.replaceChildren(fresh);
        this.isCutOff = false;
        this.showEarlier();
    }
    this.toEnd();
    this.grow();
};

Log.prototype.showEarlier = function () {
    this.earlier.hidden = Number(this.pieces()[0].dataset.from) === 0;
};

Log.prototype.askNext = async function () {
    if (!this.isLive || this.isCutOff || document.hidden) return;
    const last = this.pieces().at(-1);
    const { to, look } = last.dataset;
    if (!this.follow.checked && this.bytes() > most) {
        this.isCutOff = true;
        return;
    }
    const fresh = (await ask("log", { from: to, look }))?.firstElementChild;
    if (!fresh) return;
    const size = Number(fresh.dataset.size);
    if (fresh.dataset.from !== to || size - Number(to) > most) {
        // Another log, because the job runs anew, or one that grows faster than anybody reads.
        this.isCutOff = true;
        return this.toTail();
    }
    view.querySelector(".log-size").textContent = inWords(size);
    last.querySelector(".open")?.remove();
    if (Number(fresh.dataset.to) - Number(last.dataset.from) <= pieceBytes) {
        last.querySelector("pre").append(...fresh.querySelector("pre").childNodes);
        const open = fresh.querySelector(".open");
        if (open) last.append(open);
        Object.assign(last.dataset, { to: fresh.dataset.to, look: fresh.dataset.look });
    } else {
        last.after(fresh);
    }
    if (this.follow.checked) {
        const pieces = this.pieces();
        while (pieces.length > 1 && this.bytes() > most) pieces.shift().remove();
        this.showEarlier();
        this.toEnd();
    }
    if (fresh.dataset.to !== to && Number(fresh.dataset.to) < size && !fresh.querySelector(".open")) this.grow();
};

Log.prototype.askEarlier = async function () {
    const first = this.pieces()[0];
    const fresh = (await ask("log", { to: first.dataset.from }))?.firstElementChild;
    if (!fresh) return;
    const height = this.box.scrollHeight;
    first.before(fresh);
    this.follow.checked = false;
    this.box.scrollTop += this.box.scrollHeight - height;
    const pieces = this.pieces();
    while (pieces.length > 1 && this.bytes() > most) {
        pieces.pop().remove();
        this.isCutOff = true;
    }
    this.showEarlier();
};

function inWords(bytes) {
    const units = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]];
    const unit = units.find(([, size]) => bytes >= size);
    return unit ? `${(bytes / unit[1]).toFixed(1)} ${unit[0]}` : `${bytes} B`;
}

let log;
function startLog() {
    const box = view.querySelector(".log-box");
    log = box && !("empty" in box.dataset) ? new Log(box) : null;
}

function changed() {
    refreshHead();
    const shown = page.dataset.view;
    if (shown === "overview" || shown === "record") refreshView();
    if (shown === "diff" && !view.querySelector(".again")) {
        const note = document.createElement("p");
        note.className = "notice again";
        const link = document.createElement("a");
        link.href = location.href;
        link.textContent = "load the diff again";
        note.append("The job has changed: ", link);
        view.prepend(note);
    }
}

async function grown(size) {
    const shown = page.dataset.view;
    const steps = view.querySelector(".steps[data-live]");
    if (shown === "steps" && steps && Number(steps.dataset.size) !== size) refreshView();
    if (shown !== "log") return;
    if (log) return log.grow();
    if (size === 0 || !view.querySelector("[data-empty]")) return;
    const fresh = await ask("view", { view: "log" });
    if (!fresh) return;
    view.replaceChildren(fresh);
    startLog();
}

function told({ digest, size }) {
    if (digest && digest !== page.dataset.digest) {
        page.dataset.digest = digest;
        changed();
    }
    grown(size);
}

// A file that is folded opens when somebody goes to it.
function openTarget() {
    const details = document.getElementById(location.hash.slice(1))?.closest("details");
    if (details && !details.open) {
        details.open = true;
        details.scrollIntoView();
    }
}

for (const number of "12345") {
    onKey(number, () => document.querySelector(`[data-number="${number}"]`)?.click());
}
document.addEventListener("acted", refreshHead);
document.addEventListener("visibilitychange", () => { if (!document.hidden && log) log.grow(); });
addEventListener("hashchange", openTarget);
startLog();
openTarget();
live(`${here}/events`, { job: told });
