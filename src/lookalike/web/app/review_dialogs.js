/* What lies over the review: a picture of a group large beside the one it is compared with, and the keys. */

import { shortName } from "./cutting.js";
import { button, iconButton, make } from "./elements.js";
import { REFERENCE, factsOf } from "./review_words.js";

const SIDE = 1024; // of a picture, in pixels
const KEYS = [
  ["J", "next group"],
  ["K", "previous group"],
  ["← →", "go from picture to picture"],
  ["Enter", "look at it large, beside the one it is compared with; so does space"],
  ["X", "compare the others with this one"],
  ["S", "duplicates: a plan may move one of them"],
  ["B", "duplicates, and both stay; Shift + K as well"],
  ["D", "not duplicates"],
  ["U", "undo the last decision of this visit"],
  ["?", "show these keys"],
];

export function dialogOf(className, name, ...children) {
  const dialog = make("dialog", { className, "aria-label": name }, ...children);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it
  return dialog;
}

export function createHelp() {
  const rows = KEYS.map(([key, text]) => make("div", {}, make("dt", {}, make("kbd", { textContent: key })), make("dd", { textContent: text })));
  const note = make("p", { className: "quiet small", textContent: "S, B and D are said of two: the chosen picture, and the one it is compared with. X changes only which one that is; what stays of a group is the matter of a rule: lookalike duplicates INDEX --plan plan.json --keep oldest." });
  const dialog = dialogOf("keys", "Keys", make("header", {}, make("h2", { textContent: "Keys" }), iconButton("close", "Close", () => dialog.close())), make("dl", {}, ...rows), note);
  return { element: dialog, open: () => dialog.showModal(), close: () => dialog.close(), isOpen: () => dialog.open };
}

/* The one that is compared with is on the left, or alone. acts: { step(by), compare(a, b) }; closing gives the focus back to where it was. */
export function createLarge(api, acts) {
  const pictures = make("div", { className: "large-pictures" }), told = make("p", { className: "quiet why", role: "status" });
  const compare = button("Compare in detail", null, { sign: "compare" });
  const dialog = dialogOf("large", "Large", make("header", {}, make("div", { className: "row" },
    iconButton("left", "Previous picture", () => acts.step(-1)), iconButton("right", "Next picture", () => acts.step(1)), compare), iconButton("close", "Close", () => dialog.close())), pictures, told);

  function show(member, reference) {
    const shown = member === reference ? [reference] : [reference, member];
    pictures.replaceChildren(...shown.map((each) => figureOf(api, each)));
    told.textContent = member.reason;
    compare.hidden = member === reference;
    compare.onclick = () => {
      dialog.close();
      acts.compare(member, reference);
    };
    if (!dialog.open) dialog.showModal();
  }

  return { element: dialog, show, close: () => dialog.close(), isOpen: () => dialog.open };
}

function figureOf(api, member) {
  return make("figure", {},
    make("div", { className: "picture" }, make("img", { src: api.thumb(member.id, SIDE), alt: member.name })),
    make("figcaption", {},
      make("bdi", { className: "member-name", textContent: shortName(member.name), title: member.name }),
      make("span", { className: "quiet", textContent: [member.reference ? REFERENCE : "", factsOf(member)].filter(Boolean).join(", ") })));
}
