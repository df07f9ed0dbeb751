/* Beside the map: looking for pictures, what they are coloured by, and the legend, whose entries bring values out. */

import { make } from "./make.js";

const MOST_LISTED = 200; // values that the legend lists; searching brings the others

/* hands: { seek(text), colourBy(place), showPictures(isShown) | null, pick(code | null), list() | null } */
export function createSide(columns, hands) {
  const legend = make("ul", { className: "map-legend" });
  const all = make("button", { type: "button", textContent: "show all labels", hidden: true, onclick: () => hands.pick(null) });
  const list = make("button", { type: "button", className: "map-list", hidden: true, onclick: () => hands.list() });
  const element = make("aside", { className: "map-side", "aria-label": "Labels" }, ...controls(columns, hands), legend, all, hands.list ? list : null);

  function show({ values, shapes, sizes, listed, picked, stamp, brought }) {
    const focused = document.activeElement?.dataset?.code;
    legend.replaceChildren(...listed.slice(0, MOST_LISTED).map((code) => entry(values[code], code, sizes[code], stamp(shapes[code], 9), picked.has(code))));
    if (listed.length > MOST_LISTED) legend.append(make("li", { className: "quiet", textContent: `and ${listed.length - MOST_LISTED} more: search for them` }));
    if (focused !== undefined) legend.querySelector(`[data-code="${focused}"]`)?.focus();
    all.hidden = !picked.size;
    list.hidden = !brought;
    list.textContent = brought === 1 ? "list this picture" : `list these ${brought.toLocaleString("en")} pictures`;
  }

  function entry(value, code, size, stamp, isPicked) {
    const swatch = make("canvas", { width: 24, height: 24 });
    swatch.getContext("2d").drawImage(stamp, 0, 0, 24, 24);
    return make("li", {}, make("button", { type: "button", onclick: () => hands.pick(code), "aria-pressed": isPicked, "data-code": code },
      swatch, make("bdi", { textContent: value || "not known" }), make("span", { className: "quiet", textContent: String(size) })));
  }

  return { element, show };
}

function controls(columns, hands) {
  const search = make("input", { type: "search", placeholder: "find a label or file", autocomplete: "off", "aria-label": "find a label or file" });
  search.addEventListener("input", () => hands.seek(search.value.trim().toLowerCase()));
  const parts = [search];
  if (columns.length > 1) {
    const choice = make("select", {}, ...columns.map((column) => make("option", { textContent: column.name })));
    choice.addEventListener("change", () => hands.colourBy(choice.selectedIndex));
    parts.push(make("label", {}, "colour by ", choice));
  }
  if (hands.showPictures) {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => hands.showPictures(box.checked));
    parts.push(make("label", { className: "map-check" }, box, " pictures"));
  }
  return parts;
}
