/* The pairs at the boundary: those that a threshold just lets in, and those that it just leaves out. */

import { make } from "./elements.js";
import { thumbnail } from "./tiles.js";

const SIDE = 192; // of a thumbnail, in pixels
const WORDS = {
  in: { same: ["right", "✓", "right"], different: ["wrong", "✗", "wrong"] },
  out: { same: ["wrong", "✗", "missed"], different: ["right", "✓", "right"] },
};

export function createPairs(api) {
  const sides = { in: sideOf("Just in", "They match; a little higher and they do not."), out: sideOf("Just out", "They do not match; a little lower and they do.") };
  const element = make("section", { className: "boundary", "aria-label": "Pairs at the threshold" }, sides.in.element, sides.out.element);

  function show({ above, below }) {
    sides.in.list.replaceChildren(...above.map((pair) => cardOf(api, pair, "in")));
    sides.out.list.replaceChildren(...below.map((pair) => cardOf(api, pair, "out")));
    for (const [side, pairs] of [[sides.in, above], [sides.out, below]]) side.none.hidden = pairs.length > 0;
    element.classList.remove("is-old");
  }

  return { element, show, fade: () => element.classList.add("is-old") };
}

function sideOf(title, words) {
  const list = make("ul", { className: "pairs" }), none = make("p", { className: "quiet", hidden: true, textContent: "No pairs." });
  return { list, none, element: make("div", {}, make("h2", { textContent: title }), make("p", { className: "quiet small", textContent: words }), list, none) };
}

function cardOf(api, { a, b, similarity, same }, side) {
  const [kind, sign, word] = WORDS[side][same ? "same" : "different"], truth = same ? "same" : "different";
  const link = make("a", { href: `#compare?${new URLSearchParams({ a: a.id, b: b.id })}`, className: `pair ${kind}`, title: `Really ${truth}\n${a.name}\n${b.name}` },
    make("span", { className: "pair-pictures", "aria-hidden": "true" }, ...[a, b].map((each) => make("span", { className: "picture" }, thumbnail(api.thumb(each.id, SIDE))))),
    make("span", { className: "pair-words", "aria-hidden": "true" }, make("span", { className: "pair-verdict" }, make("span", { className: "sign", textContent: sign }), word),
      make("span", { className: "number", textContent: similarity.toFixed(4) })));
  link.setAttribute("aria-label", `${word}: really ${truth}, similarity ${similarity.toFixed(4)}, ${a.label ?? a.name} and ${b.label ?? b.name}. Compare`);
  return make("li", {}, link);
}
