/* One picture of the collection in a grid: its thumbnail, what is known of it, and what can be done with it. */

import { cut, shortName } from "./cutting.js";
import { icon, iconButton, make } from "./elements.js";
import { visible } from "./make.js";
import { LESS } from "./question.js";

const SIDE = devicePixelRatio > 1 ? 384 : 256; // of a thumbnail, in pixels

/* A thumbnail; a sign stands where it cannot be had. */
export function thumbnail(source) {
  const image = make("img", { src: source, alt: "", loading: "lazy", decoding: "async", draggable: false });
  image.onerror = () => image.replaceWith(icon("picture"));
  return image;
}

/* item: of the collection, or a hit, judged by a threshold. actions: { more, look, compare, add }; add(item, weight). nameOf says
 * how much of a name is shown. */
export function tile(api, item, actions, { asked, threshold = null, nameOf = shortName }) {
  const words = wordsOf(item, threshold, nameOf);
  const open = make("button", {
    type: "button", className: "picture", tabIndex: -1, onclick: () => actions.more(item), "data-id": item.id,
    "aria-label": `${spoken(item, threshold)}. More like this`, title: visible(item.name),
  }, thumbnail(api.thumb(item.id, SIDE)), item.match === true ? badge() : null);
  open.addEventListener("keydown", (event) => {
    const act = { i: () => actions.look?.(item), c: () => asked && actions.compare(item), "+": () => actions.add(item, 1), "-": () => asked && actions.add(item, LESS) }[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  return make("li", { className: `tile${item.match === true ? " match" : ""}` }, open, actions.look ? actionsOf(item, actions, { asked }) : null, words);
}

function actionsOf(item, actions, { asked }) {
  const small = (sign, name, key, act) => iconButton(sign, `${name} (${key})`, act, { tabIndex: -1, "aria-keyshortcuts": key });
  const look = small("large", "Look at it large", "I", () => actions.look(item));
  return make("div", { className: "tile-actions" }, look, ...(asked ? [
    small("compare", "Compare with what is asked", "C", () => actions.compare(item)),
    small("plus", "Add: more like this as well", "+", () => actions.add(item, 1)),
    small("minus", "Take away: less like this", "-", () => actions.add(item, LESS))] : []));
}

function wordsOf(item, threshold, nameOf) {
  const parts = [];
  if (item.similarity !== undefined) parts.push(make("p", { className: "tile-figures" }, make("strong", { textContent: shownSimilarity(item, threshold) }), verdict(item), probable(item)));
  if (item.label) parts.push(make("p", { className: "tile-label" }, cut(item.label)));
  parts.push(make("p", { className: "tile-name" }, cut(nameOf(item.name), { whole: item.name })));
  if (item.copies?.length) parts.push(make("p", { className: "tile-name", textContent: item.copies.length === 1 ? "and 1 copy" : `and ${item.copies.length} copies` }));
  return make("div", { className: "tile-words", "aria-hidden": "true" }, ...parts);
}

/* Two digits, and more where the threshold has them. */
export const shownThreshold = (threshold) => threshold.toFixed(Number(threshold.toFixed(2)) === Number(threshold.toFixed(4)) ? 2 : 4);

/* Two digits, and more where they would say something else beside the threshold than the verdict does. */
function shownSimilarity({ similarity, match }, threshold) {
  const least = threshold === null ? null : Number(shownThreshold(threshold));
  const isTrue = (text) => typeof match !== "boolean" || least === null || (Number(text) >= least) === match;
  return [2, 3, 4, 5, 6].map((digits) => similarity.toFixed(digits)).find((text, place) => isTrue(text) || place === 4);
}

function verdict({ match, band }) {
  if (match === null || match === undefined) return null;
  return make("span", { className: match ? "verdict yes" : "verdict no", textContent: match ? "match" : "no match", title: band ?? "" });
}

function probable({ probability }) {
  return typeof probability === "number" ? make("span", { className: "probable", title: "How likely they show the same", textContent: percent(probability) }) : null;
}

/* As the command line says it: a share that is not quite all is never said to be all. */
export function percent(share) {
  if (share > 0.9995) return "> 99.9%";
  if (share < 0.0005) return "< 0.1%";
  return `${(100 * share).toFixed(share < 0.1 || share > 0.9 ? 1 : 0)}%`;
}

const badge = () => make("span", { className: "badge" }, icon("tick"));

function spoken({ label, name, similarity, match, band, probability }, threshold) {
  const parts = [label, name].filter(Boolean).map(visible);
  if (similarity !== undefined) parts.push(`similarity ${shownSimilarity({ similarity, match }, threshold)}`);
  if (match !== null && match !== undefined) parts.push(match ? "match" : "no match");
  if (band) parts.push(band);
  if (typeof probability === "number") parts.push(`${percent(probability)} likely the same`);
  return parts.filter(Boolean).join(", ");
}
