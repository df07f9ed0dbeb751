/* One picture of the collection large, with all that is known of it: a dialog over the search. */

import { isOutdated } from "./api.js";
import { button, count, iconButton, make, sentence } from "./elements.js";
import { dialogOf } from "./review_dialogs.js";
import { factsOf } from "./review_words.js";

const SIDE = 1024; // of the picture, in pixels

/* more(item) is called where its most alike ones are wanted. */
export function createDetails(api, { more }) {
  const title = make("h2"), picture = make("div", { className: "picture" }), facts = make("dl"), told = make("p", { className: "quiet", role: "status" });
  const search = button("Most alike to this", () => { dialog.close(); more(shown); }, { sign: "search" });
  const dialog = dialogOf("details", "A picture of the collection", make("header", {}, title, iconButton("close", "Close", () => dialog.close())),
    make("div", { className: "details-body" }, picture, make("div", { className: "details-words" }, search, facts, told)));
  let shown = null;

  /* What is known of it already stands there at once; the rest is asked for. */
  function open(item) {
    shown = item;
    title.replaceChildren(make("bdi", { textContent: item.name.split("/").at(-1) }));
    picture.replaceChildren(make("img", { src: api.thumb(item.id, SIDE), alt: item.name }));
    told.textContent = "Asking for the rest…";
    fill(item);
    dialog.showModal();
    return ask(item);
  }

  async function ask(item) {
    try {
      fill(await api.get(`/v1/items/${item.id}`, {}, { latest: "details" }));
      told.textContent = "";
    } catch (error) {
      if (!isOutdated(error)) told.textContent = `${sentence(error.message)} ${sentence(error.hint)}`;
    }
  }

  const fill = (item) => facts.replaceChildren(...rowsOf(item).map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, make("bdi", { textContent: value })))));

  return { element: dialog, open, close: () => dialog.close() };
}

function rowsOf({ name, label, attributes, copies, ...file }) {
  const known = Object.entries(attributes ?? {}), told = known.filter(([, value]) => Number(value) !== 0), said = factsOf(file);
  const equal = copies?.length ? [["equal content", count(copies.length, "other picture")]] : [];
  const zero = told.length < known.length ? [[told.length ? "all else that is known" : "all that is known", "0"]] : [];
  return [["label", label || "none"], ["name", name], ...(said ? [["file", said]] : []), ...equal, ...told.map(([key, value]) => [key, String(value)]), ...zero];
}
