/* What is asked, above its answers: pictures and attributes as chips to weigh and to remove, and what narrows it.
 *
 * change(question) is called with the question that is meant instead.
 */

import { cut, recut, shortName } from "./cutting.js";
import { button, icon, iconButton, make } from "./elements.js";
import { isCombined, isJudged } from "./question.js";
import { thumbnail } from "./tiles.js";

const WEIGHTS = [2, 1, 0.5, -0.5, -1, -2];
const FEW = 6; // pictures with room for their names
const FILTERS = { label: "label", folder: "in", where: "filter", lowest: "similarity from", probability: "probability from" };

export function createAskingBar(app, { change, choose, facts }) {
  const chips = make("ul", { className: "chips", "aria-label": "What is asked" });
  const narrowed = make("ul", { className: "chips", "aria-label": "Filters" });
  const attributes = make("select", { "aria-label": "Add an attribute", className: "add-attribute" });
  const add = button("Add picture", () => choose({ add: true }), { sign: "plus" });
  const clear = button("Start again", () => app.go("search"), { className: "plain" });
  const element = make("section", { className: "asking", "aria-label": "What is asked", hidden: true }, make("div", { className: "asking-row" }, chips, make("div", { className: "row" }, add, attributes, clear)));
  let question = null;

  attributes.addEventListener("change", () => {
    if (attributes.value) change({ ...question, attributes: new Map(question.attributes).set(attributes.value, true) });
  });

  function nameOf({ id, file }) {
    if (id !== undefined) return "";
    const kept = app.basket.file(file);
    return kept ? kept.name || "pasted picture" : "not here any more";
  }

  function pictureChip(picture, place) {
    const source = picture.id === undefined ? app.basket.preview(picture.file) : app.api.thumb(picture.id, 128);
    const name = cut(nameOf(picture), { className: "chip-name" });
    if (picture.id !== undefined) facts(picture.id).then((item) => recut(name, item.label || shortName(item.name), { whole: item.name }), () => recut(name, `picture ${picture.id}`));
    const remove = iconButton("close", "Remove this picture", () => change({ ...question, pictures: question.pictures.filter((_, other) => other !== place) }));
    return make("li", { className: picture.weight < 0 ? "chip less" : "chip" }, make("span", { className: "picture" }, source ? thumbnail(source) : icon("picture")),
      make("span", { className: "chip-words" }, name, isCombined(question) ? weight(picture, place) : make("span", { className: "quiet small", textContent: "most alike to this" })), remove);
  }

  function weight(picture, place) {
    const values = WEIGHTS.includes(picture.weight) ? WEIGHTS : [picture.weight, ...WEIGHTS];
    const select = make("select", { "aria-label": "Weight of this picture" }, ...values.map((value) => new Option(`${value > 0 ? "+" : "−"} ${Math.abs(value)} ${value > 0 ? "like it" : "unlike it"}`, value)));
    select.value = picture.weight;
    select.onchange = () => change({ ...question, pictures: question.pictures.map((each, other) => (other === place ? { ...each, weight: Number(select.value) } : each)) });
    return select;
  }

  function attributeChip([name, wanted]) {
    const without = (changed) => { changed.delete(name); return changed; };
    const flip = iconButton(wanted ? "plus" : "minus", wanted ? "With it; press for without" : "Without it; press for with", () => change({ ...question, attributes: new Map(question.attributes).set(name, !wanted) }));
    const remove = iconButton("close", `Remove ${name}`, () => change({ ...question, attributes: without(new Map(question.attributes)) }));
    return make("li", { className: wanted ? "chip" : "chip less" }, flip, make("span", { className: "chip-words" }, cut(name, { className: "chip-name" }), make("span", { className: "quiet small", textContent: wanted ? "with it" : "without it" })), remove);
  }

  function filterChip(key) {
    const value = key === "probability" ? `${Math.round(100 * question[key])}%` : String(question[key]);
    const words = make("span", { className: "chip-words" }, make("span", { className: "chip-filter" }, make("span", { className: "quiet", textContent: FILTERS[key] }), cut(value)));
    return make("li", { className: "chip flat" }, words, iconButton("close", `Remove: ${FILTERS[key]} ${value}`, () => change({ ...question, [key]: typeof question[key] === "number" ? null : "" })));
  }

  function offerAttributes() {
    const left = (app.info.attributes ?? []).filter((name) => !question.attributes.has(name));
    attributes.hidden = !left.length;
    attributes.replaceChildren(new Option("Add attribute", ""), ...left.map((name) => new Option(name, name)));
  }

  return {
    element,
    narrowed,
    show(asked, { isAsked }) {
      question = asked;
      element.hidden = !isAsked;
      chips.classList.toggle("many", asked.pictures.length > FEW);
      chips.replaceChildren(...asked.pictures.map(pictureChip), ...[...asked.attributes].map(attributeChip));
      const stated = Object.keys(FILTERS).filter((key) => asked[key] !== "" && asked[key] !== null && (key !== "probability" || isJudged(asked)));
      narrowed.replaceChildren(...stated.map(filterChip));
      narrowed.hidden = !stated.length;
      offerAttributes();
    },
  };
}
