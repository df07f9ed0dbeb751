/* Elements, icons and controls: what a server or a file says becomes text, never markup. */

import { make } from "./make.js";

export { make };

const DRAWING = "http://www.w3.org/2000/svg";

/* Strokes of the icons, in a square of 16. */
const STROKES = {
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  compare: "M2.5 3.5h4v9h-4zM9.5 3.5h4v9h-4z",
  tick: "M3 8.5l3.5 3.5L13 4.5",
  cross: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  large: "M9.5 2.5h4v4M13.5 2.5l-5 5M6.5 13.5h-4v-4M2.5 13.5l5-5",
  picture: "M2.5 3h11v10h-11zM2.5 11l3.5-4 3 3 2-2 2.5 2.5",
  upload: "M8 10.5V2.5M4.5 5.5L8 2.5l3.5 3M2.5 10v3.5h11V10",
  folder: "M2 4h4l1.5 2H14v7H2z",
  right: "M6 3.5L10.5 8 6 12.5",
  left: "M10 3.5L5.5 8 10 12.5",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5l3 3",
};

export function icon(name) {
  const drawing = document.createElementNS(DRAWING, "svg"), path = document.createElementNS(DRAWING, "path");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  path.setAttribute("d", STROKES[name]);
  drawing.append(path);
  return drawing;
}

/* A button with words; `sign` is an icon before them. */
export function button(text, onclick, { sign = null, ...properties } = {}) {
  return make("button", { type: "button", onclick, ...properties }, sign && icon(sign), make("span", { textContent: text }));
}

/* A button that is an icon; its name is read out and shown when the pointer rests on it. */
export function iconButton(sign, name, onclick, properties = {}) {
  return make("button", { type: "button", className: "plain square", title: name, "aria-label": name, onclick, ...properties }, icon(sign));
}

/* A control with its name above it. */
export function field(name, control, ...further) {
  return make("label", { className: "field" }, make("span", { className: "field-name", textContent: name }), control, ...further);
}

/* The filled side of a slider is the one above its value, which is what reaches it. Once more after each change. */
export function fillAbove(input) {
  const least = Number(input.min), most = Number(input.max);
  input.style.setProperty("--share", String((Number(input.value) - least) / (most - least || 1)));
}

/* What stands where there is nothing to show: what happened, and what to do. */
export function state(title, hint = "", ...actions) {
  return make("div", { className: "state" }, title && make("h2", { textContent: title }), hint && make("p", { className: "quiet", textContent: hint }), actions.length ? make("p", { className: "row" }, ...actions) : null);
}

const AS_IT_IS = /^(lookalike|-|[^:]+\.\w{2,5}:)/; // a command, or a file's name

/* What a server says, as a whole sentence. */
export function sentence(text) {
  if (!text) return "";
  const end = /[.!?…]$/.test(text) ? "" : ".";
  return (AS_IT_IS.test(text) ? text : text[0].toUpperCase() + text.slice(1)) + end;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
