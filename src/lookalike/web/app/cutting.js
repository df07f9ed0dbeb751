/* Names that are too long for their place are cut in the middle: they differ at their ends. The whole is the title. */

import { make, visible } from "./make.js";

const SHORT = 14; // characters that are never cut
const KEPT = 4; // characters before a file's ending that stay with it
const ENDING = /\.[^./\s]{1,5}$/;
const pen = document.createElement("canvas").getContext("2d"); // measures texts

/* The last two parts of a name tell pictures apart. */
export const shortName = (name) => name.split("/").slice(-2).join("/");

/* Of names that are shown together: where all lie in one folder, the last part does. */
export function namesTogether(names) {
  const folders = new Set(names.map((name) => name.slice(0, name.lastIndexOf("/"))));
  return names.length > 1 && folders.size === 1 ? (name) => name.split("/").at(-1) : shortName;
}

/* A text that may be cut; `whole` is what its title says. */
export function cut(text, { whole = text, className = "" } = {}) {
  const element = make("bdi");
  element.className = `cut ${className}`.trim();
  return recut(element, text, { whole });
}

/* Another text in the place of the one that was there. */
export function recut(element, text, { whole = text } = {}) {
  const [start, end] = halves(visible(text));
  element.title = visible(whole);
  element.replaceChildren(...(start ? [make("span", { className: "cut-start", textContent: start }), end] : [end]));
  if (start) element.style.setProperty("--end", `${widthOf(end)}em`);
  return element;
}

/* What may be cut at its end, and what stays. */
function halves(text) {
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  if (letters.length <= SHORT) return ["", text];
  const kept = KEPT + (ENDING.exec(text)?.[0].length ?? 2);
  return [letters.slice(0, -kept).join(""), letters.slice(-kept).join("")];
}

/* In heights of its letters, which holds for every size of them. */
function widthOf(text) {
  pen.font = `100px ${getComputedStyle(document.body).fontFamily}`;
  return (pen.measureText(text).width / 100 + 0.05).toFixed(3);
}
