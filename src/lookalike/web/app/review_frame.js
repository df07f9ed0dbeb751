/* What surrounds the group in hand: what was found in all, kinds, cautions, how far the finding is, what was done. */

import { button, make } from "./elements.js";
import { RISK, inBytes } from "./review_words.js";

/* acts: { undo(), decided(), help(), again() } */
export function createFrame(acts) {
  const headline = make("p", { className: "headline" }), risk = make("p", { className: "quiet small", textContent: `Of two duplicates, ${RISK}. This page moves nothing.` }), bands = make("nav", { className: "bands", "aria-label": "Kinds of duplicates" });
  const cautions = make("div", { className: "cautions", hidden: true }), body = make("div", { className: "review-body" });
  const stale = make("div", { className: "notice", hidden: true }, make("p", { textContent: "The index has changed since these groups were found." }), button("Look again", acts.again));
  const undo = button("Undo", acts.undo, { disabled: true, "aria-keyshortcuts": "U" });
  undo.append(make("kbd", { textContent: "U", "aria-hidden": "true" }));
  const done = make("p", { className: "quiet done" }), spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  const keys = button("Keys", acts.help, { className: "plain", "aria-keyshortcuts": "?" });
  keys.append(make("kbd", { textContent: "?", "aria-hidden": "true" }));
  const tools = make("div", { className: "review-tools" }, undo, button("Decided", acts.decided, { className: "plain" }), keys);
  const element = make("div", { className: "review" },
    make("header", { className: "review-head" }, make("div", {}, make("h1", { textContent: "Duplicates" }), headline, risk), tools),
    stale, bands, cautions, body, done, spoken);

  function show(answer, queue) {
    const ready = answer.state === "ready";
    headline.textContent = ready ? answer.headline : "";
    stale.hidden = !answer.stale || !ready;
    undo.disabled = queue.undos.length === 0;
    tools.hidden = !ready;
    risk.hidden = !ready || answer.total === 0;
    const rows = ready ? answer.totals : [];
    bands.hidden = rows.length === 0;
    bands.replaceChildren(...tabsOf(rows, queue.band));
    tellCautions(cautions, ready ? answer.cautions : []);
  }

  const work = createWork();
  const put = (content) => body.replaceChildren(content);

  /* Where there is no picture to go to. */
  function focusTitle() {
    const title = body.querySelector("h2");
    title.tabIndex = -1;
    title.focus();
  }

  return {
    element, show, put, focusTitle,
    hasFocus: () => [document.body, document.getElementById("main")].includes(document.activeElement) || body.contains(document.activeElement),
    work(answer) {
      work.show(answer);
      if (body.firstChild !== work.element) put(work.element);
    },
    wait: () => put(make("p", { className: "quiet", textContent: "Asking for the groups…" })),
    tell: (parts) => { spoken.textContent = parts.filter(Boolean).join(" "); },
    /* Seen and read out. */
    said: (text) => { done.textContent = spoken.textContent = text; },
    did: (text) => { done.textContent = text; },
  };
}

/* A tab for each kind that has groups; that of all of them where there is more than one. */
function tabsOf(rows, chosen) {
  const all = (row) => row.band === null || row.band === "all";
  return [...rows].sort((one, other) => all(other) - all(one)).map((row) => {
    const isAll = all(row), value = isAll || rows.length === 1 ? "" : row.band;
    const tab = make("a", { href: value ? `#duplicates?${new URLSearchParams({ band: value })}` : "#duplicates", className: "band-tab" },
      make("span", { className: "band-head" },
        make("span", { className: "band-name", textContent: isAll ? "All kinds" : row.band }),
        make("span", { className: "band-count", textContent: row.groups.toLocaleString("en") })),
      make("span", { className: "quiet small", textContent: `${row.removable.toLocaleString("en")} could go, ${inBytes(row.bytes)}` }));
    if (value === chosen || (isAll && chosen === "")) tab.setAttribute("aria-current", "true");
    return tab;
  });
}

/* One is a sentence, several are a list that can be closed and stays so. */
function tellCautions(place, cautions) {
  const before = place.querySelector("details"), isOpen = before?.open ?? true;
  place.hidden = cautions.length === 0;
  if (cautions.length < 2) return place.replaceChildren(...cautions.map((text) => make("p", { textContent: text })));
  const list = make("ul", {}, ...cautions.map((text) => make("li", { textContent: text })));
  return place.replaceChildren(make("details", { open: isOpen }, make("summary", { textContent: `${cautions.length} things to know` }), list));
}

/* One element that is brought up to date, so that the keyboard can rest in it. */
function createWork() {
  const bar = make("progress", { "aria-label": "How far the finding is" }), far = make("p", { className: "quiet" });
  const element = make("div", { className: "working" }, make("h2", { textContent: "Looking for duplicates" }), far, bar,
    make("p", { className: "quiet small", textContent: "The pictures are compared once; decisions do not start it anew. You can leave this view meanwhile." }));

  function show({ done, total, stage }) {
    const counted = total > 0 ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : "";
    far.textContent = [stage, counted].filter(Boolean).join(": ");
    if (total > 0) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value");
  }

  return { element, show };
}
