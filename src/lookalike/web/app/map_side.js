/* Beside the map: looking for pictures, what they are coloured by, and the legend, whose entries bring values out. */

import { areTold, wordsOf } from "./map_looks.js";
import { make } from "./make.js";

const MOST_LISTED = 200; // values that the legend lists; searching brings the others

/* hands: { seek(text), colourBy(place), showPictures(isShown) | null, pick(code | null), list() | null } */
export function createSide(columns, first, hands) {
  const legend = make("ul", { className: "map-legend" });
  const missing = make("p", { className: "map-missing", role: "status", hidden: true });
  const grey = make("p", { className: "quiet map-grey", hidden: true });
  const all = make("button", { type: "button", textContent: "show all labels", hidden: true, onclick: () => hands.pick(null) });
  const list = make("button", { type: "button", className: "map-list", hidden: true, onclick: () => hands.list() });
  const element = make("aside", { className: "map-side", "aria-label": "Labels" }, ...controls(columns, first, hands), missing, grey, legend, all, hands.list ? list : null);

  function show({ column, shapes, sizes, listed, picked, stamp, brought, missed }) {
    const { values } = column, focused = document.activeElement?.dataset?.code;
    legend.replaceChildren(...(column.name ? listed : []).slice(0, MOST_LISTED).map((code) => entry(wordsOf(column, values[code]), code, sizes[code], stamp(shapes[code], 9), picked.has(code))));
    if (listed.length > MOST_LISTED) legend.append(make("li", { className: "quiet", textContent: `and ${(listed.length - MOST_LISTED).toLocaleString("en")} more: search for them` }));
    if (focused !== undefined) legend.querySelector(`[data-code="${focused}"]`)?.focus();
    missing.hidden = !missed;
    missing.textContent = missed && `Nothing here has “${missed}” in its name or in what is known of it.`;
    grey.hidden = areTold(values) || brought > 0 || Boolean(missed);
    grey.textContent = greyBecause(values, columns);
    all.hidden = !picked.size;
    list.hidden = !brought;
    list.textContent = brought === 1 ? "list this picture" : `list these ${brought.toLocaleString("en")} pictures`;
  }

  function entry(value, code, size, stamp, isPicked) {
    const swatch = make("canvas", { width: 24, height: 24 });
    swatch.getContext("2d").drawImage(stamp, 0, 0, 24, 24);
    return make("li", {}, make("button", { type: "button", onclick: () => hands.pick(code), "aria-pressed": isPicked, "data-code": code },
      swatch, make("bdi", { textContent: value }), make("span", { className: "quiet", textContent: size.toLocaleString("en") })));
  }

  return { element, show };
}

/* Colours for so many would tell nothing apart. */
function greyBecause(values, columns) {
  const other = columns.some((column) => areTold(column.values)) ? ", or colour by something else" : "";
  return `Grey: there are ${values.length.toLocaleString("en")} values, too many for colours. Click or find some to colour them${other}.`;
}

function controls(columns, first, hands) {
  const sought = columns.some(({ name }) => name === "label") ? "find a label or file" : "find a file";
  const search = make("input", { type: "search", placeholder: sought, autocomplete: "off", "aria-label": sought });
  search.addEventListener("input", () => hands.seek(search.value.trim().toLowerCase()));
  const parts = [search];
  if (columns.length > 1) {
    const choice = make("select", {}, ...columns.map((column) => make("option", { textContent: column.name })));
    choice.selectedIndex = first;
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
