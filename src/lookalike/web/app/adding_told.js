/* What became of pictures that were sent: added, known already, not to be used and why. */

import { cut } from "./cutting.js";
import { make } from "./elements.js";
import { thumbnail } from "./tiles.js";

const SHOWN = 60; // of a kind
const KINDS = {
  added: { title: "added", words: "They can be found from now on." },
  known: { title: "known already", words: "The collection has a picture of the same content; it keeps its label." },
  unused: { title: "could not be used", words: "" },
};

/* left(): a link to a picture of the collection was followed. */
export function createTold(api, { left }) {
  const element = make("div", { className: "adding-told" });

  function show(run) {
    element.replaceChildren(...Object.keys(KINDS).filter((kind) => run[kind].length).map((kind) => section(kind, run[kind])));
  }

  function section(kind, entries) {
    const { title, words } = KINDS[kind], more = entries.length - SHOWN;
    return make("section", { className: `adding-${kind}` }, make("h3", { textContent: `${entries.length.toLocaleString("en")} ${title}` }),
      words ? make("p", { className: "quiet small", textContent: words }) : null,
      make("ul", {}, ...entries.slice(0, SHOWN).map((entry) => row(entry)), more > 0 ? make("li", { className: "quiet small", textContent: `and ${more.toLocaleString("en")} more` }) : null));
  }

  function row({ file, item, reason }) {
    const name = cut(file.name || "pasted picture");
    if (!item) return make("li", {}, name, make("span", { className: "small fault" }, make("bdi", { textContent: reason })));
    const label = item.label ? make("bdi", { className: "quiet small", textContent: item.label }) : null;
    return make("li", {}, make("a", { href: `#search?id=${item.id}`, onclick: left }, make("span", { className: "picture" }, thumbnail(api.thumb(item.id, 96))), name), label);
  }

  return { element, show, clear: () => element.replaceChildren() };
}
