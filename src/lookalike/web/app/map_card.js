/* The card beside the chosen picture of the map: the picture, larger, and what is known of it. */

import { isFlag } from "./map_looks.js";
import { make } from "./make.js";

const GAP = 14;
const MOST_FACTS = 6; // beside the name; that an attribute is 0 says little

export function createCard(names, columns, pictures) {
  const element = make("div", { className: "map-card", hidden: true, role: "status" }); // what is chosen is read out

  function facts(row) {
    const known = columns.map((column) => [column, column.values[column.codes[row]]]).filter(([, value]) => value && value !== "0").slice(0, MOST_FACTS);
    const parts = known.map(([column, value], place) => {
      if (isFlag(column)) return make("p", {}, make("bdi", { textContent: column.name }));
      const said = make("bdi", { textContent: value });
      return place ? make("p", {}, `${column.name}: `, said) : make("p", {}, make("strong", {}, said));
    });
    parts.push(make("p", { className: "quiet" }, make("bdi", { textContent: names[row] })));
    return pictures?.has(row) ? [make("canvas", { width: pictures.side, height: pictures.side }), ...parts] : parts;
  }

  return {
    element,
    tell(row) {
      element.hidden = row < 0;
      if (row >= 0) element.replaceChildren(...facts(row));
      this.draw(row);
    },
    /* Again, as a picture may have come since. */
    draw(row) {
      const canvas = element.querySelector("canvas");
      if (row >= 0 && canvas) pictures.paint(canvas.getContext("2d"), row, 0, 0, pictures.side);
    },
    put([left, top], width, height) {
      const beside = left + GAP + element.offsetWidth > width ? left - GAP - element.offsetWidth : left + GAP;
      const below = top + GAP + element.offsetHeight > height ? top - GAP - element.offsetHeight : top + GAP;
      element.style.left = `${Math.max(4, Math.min(beside, width - element.offsetWidth - 4))}px`;
      element.style.top = `${Math.max(4, Math.min(below, height - element.offsetHeight - 4))}px`;
    },
  };
}
