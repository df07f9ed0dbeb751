/* What was decided on pairs, the latest first, each to be looked at and taken back; it lies over the review. */

import { cut, shortName } from "./cutting.js";
import { button, count, iconButton, make } from "./elements.js";
import { dialogOf } from "./review_dialogs.js";
import { dayOf } from "./review_words.js";
import { thumbnail } from "./tiles.js";

const PAGE = 20;
const SIDE = 128; // of a thumbnail, in pixels
const WORDS = { same: "duplicates", different: "not duplicates", "keep-both": "keep both" };

/* acts: { takeBack(decision) gives a promise, fail(error) } */
export function createDecided(api, acts) {
  const list = make("ul", { className: "decided-list" }), told = make("p", { className: "quiet", role: "status" });
  const more = button("Show more", () => fill(), { hidden: true });
  const close = iconButton("close", "Close", () => dialog.close());
  const dialog = dialogOf("decisions", "What was decided", make("header", {}, make("h2", { textContent: "What was decided" }), close), told, list, more);
  let skip = 0;

  async function open() {
    list.replaceChildren();
    told.textContent = "Asking for the decisions…";
    skip = 0;
    dialog.showModal();
    await fill();
  }

  async function fill() {
    try {
      const found = await api.get("/v1/decisions", { skip, limit: PAGE });
      list.append(...found.decisions.map(rowOf));
      skip = found.next ?? skip + found.decisions.length;
      more.hidden = found.next === null;
      told.textContent = found.total ? `${count(found.total, "pair")}, the latest first.` : "Nothing is decided yet.";
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function rowOf(decision) {
    const pictures = [decision.a, decision.b], isWhole = pictures.every(Boolean);
    const names = pictures.map((each) => (each ? shortName(each.name) : "a picture that is not in the index"));
    const back = isWhole ? button("Take back", () => takeBack(), { "aria-label": `Take back: ${names.join(" and ")}` }) : null;
    const row = make("li", {},
      make("span", { className: "decided-pictures", "aria-hidden": "true" }, ...pictures.map((each) => make("span", { className: "picture" }, each ? thumbnail(api.thumb(each.id, SIDE)) : null))),
      make("div", { className: "decided-words" },
        make("p", {}, make("strong", { textContent: WORDS[decision.verdict] }), make("span", { className: "quiet", textContent: `, ${dayOf(decision.made)}` })),
        ...names.map((name, place) => make("p", { className: "decided-name" }, cut(name, { whole: pictures[place]?.name ?? name })))),
      back);

    async function takeBack() {
      back.disabled = true;
      try {
        await acts.takeBack(decision);
        const next = row.nextElementSibling ?? row.previousElementSibling;
        row.remove();
        skip -= 1;
        told.textContent = `Taken back: nothing is decided of ${names.join(" and ")}.`;
        (next?.querySelector("button") ?? close).focus();
      } catch (error) {
        back.disabled = false;
        acts.fail(error);
      }
    }

    return row;
  }

  return { element: dialog, open, close: () => dialog.close(), isOpen: () => dialog.open };
}
