// What every page does: times in the reader's own words, keys, forms without leaving the page.
"use strict";

// A duration in at most two units, as `aq status` writes it.
function short(seconds) {
    const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
    let left = Math.max(0, Math.floor(seconds));
    // Behind hours no seconds, and behind days no minutes.
    if (left >= 3600) left -= left % (left < 86400 ? 60 : 3600);
    const words = [];
    for (const [name, size] of units) {
        const count = Math.floor(left / size);
        if (count > 0 || (name === "s" && words.length === 0)) words.push(count + name);
        left -= count * size;
        if (words.length === 2) break;
    }
    return words.join("");
}

function tellTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
        const at = new Date(time.dateTime);
        const passed = short((Date.now() - at) / 1000);
        const text = time.classList.contains("age") ? passed : time.classList.contains("ago") ? passed + " ago" : at.toLocaleString();
        if (time.textContent !== text) time.textContent = text;
        if (!time.title) time.title = at.toLocaleString();
    }
}

// What the server answered, as elements. It has escaped everything that is not its own.
function elements(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    tellTimes(template.content);
    return template.content;
}

function toast(text, isBad) {
    const box = document.querySelector(".toasts");
    if (!box) return;
    const line = document.createElement("p");
    line.className = isBad ? "toast bad" : "toast";
    line.textContent = text;
    box.append(line);
    setTimeout(() => line.remove(), isBad ? 12000 : 5000);
}

// A form that acts on a job is sent without leaving the page; what came of it is shown.
async function sendForm(form, button) {
    // Before the button is out of use: its own value is part of it.
    const body = new URLSearchParams(new FormData(form, button));
    if (button) button.disabled = true;
    try {
        const answer = await fetch(form.action, {
            method: "POST",
            body,
            headers: { accept: "application/json" },
        });
        // The guard before all pages answers with a page: the session is over, or the name another.
        const { message, refused } = await answer.json().catch(() => ({ message: "Load the page again, and sign in." }));
        toast(message, !answer.ok);
        // Of many jobs some may have gone.
        if (answer.ok || refused) document.dispatchEvent(new CustomEvent("acted", { detail: { form, refused } }));
    } catch {
        toast("The dashboard does not answer: is it still running?", true);
    } finally {
        if (button) button.disabled = false;
    }
}

document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || "plain" in form.dataset) return;
    event.preventDefault();
    sendForm(form, event.submitter);
});

// Follows a stream of events, for as long as the page is seen: a browser has six connections to a server,
// for all its pages together. `handlers` has a function for the data of each kind of event.
function live(url, handlers) {
    const sign = document.querySelector(".live");
    let source, again;
    function tell(isLive) {
        sign.textContent = isLive ? "live" : "not connected";
        sign.className = isLive ? "live good" : "live bad";
    }
    function close() {
        clearTimeout(again);
        source?.close();
        source = undefined;
    }
    function open() {
        close();
        if (document.hidden) return;
        const mine = source = new EventSource(url);
        for (const [name, handle] of Object.entries(handlers)) {
            mine.addEventListener(name, (event) => handle(JSON.parse(event.data)));
        }
        mine.onopen = () => tell(true);
        mine.onerror = () => {
            tell(false);
            // A browser that could not connect tries again by itself; one that was refused does not.
            if (mine.readyState === EventSource.CLOSED) refused();
        };
    }
    async function refused() {
        const asked = url;
        again = setTimeout(open, 3000);
        const answer = await fetch(asked, { method: "HEAD" }).catch(() => undefined);
        // The session is over, and without one there is nothing to see.
        if (answer?.status === 401) location.reload();
    }
    document.addEventListener("visibilitychange", open);
    open();
    return (next) => { url = next; open(); };
}

// `g b` and the like lead to pages; pages add keys of their own with `onKey`.
const keys = new Map();
function onKey(key, act) {
    keys.set(key, act);
}
let before = "";
document.addEventListener("keydown", (event) => {
    // What is open over the page has keys of its own.
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) {
        if (event.key === "Escape") event.target.blur();
        return;
    }
    const link = before && [...document.querySelectorAll("[data-key]")].find((to) => to.dataset.key === before + " " + event.key);
    before = event.key === "g" ? "g" : "";
    if (link) {
        link.click();
    } else if (keys.has(event.key)) {
        event.preventDefault();
        keys.get(event.key)(event);
    }
});

const help = document.querySelector("dialog#keys");
function showKeys() {
    if (!help.open) help.showModal();
}
const helpButton = document.querySelector("[data-keys]");
if (helpButton) {
    helpButton.hidden = false;
    helpButton.addEventListener("click", showKeys);
    onKey("?", showKeys);
}

// The link that `aq dashboard` prints has the token behind the `#`, where no server or log sees it.
const token = document.querySelector("#token");
function signIn() {
    if (location.hash.length <= 1) return;
    token.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
    token.form.submit();
}
// A link on a page elsewhere leads here without the cookie; a page of ours has it, if there is one.
async function goOn() {
    const answer = await fetch("/sign-in", { method: "HEAD", redirect: "manual" }).catch(() => undefined);
    if (answer?.type === "opaqueredirect") location.replace(token.form.elements.to.value);
}
if (token) {
    // In a tab that shows this page already, the link changes only what is behind the `#`.
    addEventListener("hashchange", signIn);
    if (location.hash.length > 1) signIn();
    else goOn();
}

tellTimes(document);
setInterval(() => tellTimes(document), 1000);
