/* Pictures that were chosen on the map: a list beside it, in the place of the legend, and a grid of all of them. */

import { button, count, iconButton, make } from "./elements.js";
import { createGrid } from "./grid.js";
import { thumbnail, tile } from "./tiles.js";

const LISTED = 60; // pictures of a list, and of a page of the grid

/* Rows of the map enter. hands: { itemOf(row), search(rows), open(rows), none(), most }, of which a search starts at most. */
export function createChosenList(api, hands) {
  const element = make("section", { className: "map-chosen", hidden: true, "aria-label": "Chosen pictures" });

  function entry(row) {
    const { id, name, label } = hands.itemOf(row);
    return make("li", {}, make("button", { type: "button", className: "picture", title: name, "aria-label": `${[label, name].filter(Boolean).join(", ")}. Search with it`, onclick: () => hands.search([row]) }, thumbnail(api.thumb(id, 128))));
  }

  function show(rows) {
    element.hidden = !rows.length;
    if (!rows.length) {
      element.replaceChildren();
      return;
    }
    const search = button(rows.length === 1 ? "Search with it" : "Search with these", () => hands.search(rows), { className: "primary", sign: "search" });
    element.replaceChildren(make("div", { className: "map-list-of" },
      make("header", {}, make("h2", { textContent: count(rows.length, "picture") }), iconButton("close", "Choose none", () => hands.none())),
      make("div", { className: "map-actions" }, search, button("Open as grid", () => hands.open(rows))),
      rows.length > hands.most ? make("p", { className: "quiet small", textContent: `A search starts from ${hands.most} of them, spread evenly.` }) : null,
      make("ul", { className: "map-thumbs" }, ...rows.slice(0, LISTED).map(entry)),
      rows.length > LISTED ? make("p", { className: "quiet small", textContent: `and ${(rows.length - LISTED).toLocaleString("en")} more in the grid` }) : null));
  }

  return { element, show };
}

/* hands: { itemOf(row), search(rows) }. show(null) closes it. */
export function createChosenGrid(app, { itemOf, search }) {
  const grid = createGrid({ name: "Chosen pictures", more: () => page() }), title = make("h1", { tabIndex: -1 });
  const element = make("section", { className: "map-grid", hidden: true, "aria-label": "Chosen pictures" },
    make("header", { className: "row" }, title, button("Search with these", () => search(rows)), button("Back to the map", () => app.go("map"), { className: "primary" })), grid.element);
  let rows = [], reached = 0;

  function page() {
    const from = reached, tiles = rows.slice(from, from + LISTED).map((row) => tile(app.api, itemOf(row), { more: ({ id }) => app.go("search", { id }) }, { asked: false }));
    reached += tiles.length;
    grid[from ? "append" : "fill"](tiles, { isMore: reached < rows.length });
  }

  function show(chosen) {
    rows = chosen ?? [];
    reached = 0;
    element.hidden = !chosen;
    if (!chosen) {
      grid.clear();
      return;
    }
    title.textContent = count(rows.length, "picture");
    page();
    title.focus();
  }

  return { element, show };
}
