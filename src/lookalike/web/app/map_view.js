/* The map view: where the collection's pictures lie for the model; a line around some of them makes a list. */

import { isOutdated } from "./api.js";
import { button, count, iconButton, make, sentence, state } from "./elements.js";
import { createGrid } from "./grid.js";
import { drawMap } from "./map.js";
import { spread } from "./map_places.js";
import { lazyPictures } from "./map_thumbs.js";
import { thumbnail, tile } from "./tiles.js";

const AGAIN = 1500; // milliseconds until the server is asked again whether the map is made
const LISTED = 60; // pictures of a list, and of a page of the grid
const MOST_ASKED = 16; // pictures that a search starts from

export function mount(root, app) {
  const { api } = app;
  const about = make("p", { className: "quiet small map-about" });
  const place = make("div", { className: "map" });
  const chosen = make("section", { className: "map-chosen", hidden: true, "aria-label": "Chosen pictures" });
  const spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  const grid = createGrid({ name: "Chosen pictures", more: () => showGrid(shownRows, reached) });
  const gridTitle = make("h1", { tabIndex: -1 });
  const gridFrame = make("section", { className: "map-grid", hidden: true, "aria-label": "Chosen pictures" }, make("header", { className: "row" }, gridTitle, button("Search with these", () => search(shownRows)), button("Back to the map", () => app.go("map"), { className: "primary" })), grid.element);
  const frame = make("div", { className: "map-frame" }, place, chosen);
  root.append(make("h1", { className: "unseen", textContent: "Map" }), about, spoken, frame, gridFrame);
  let drawn = null, pictures = null, isSeeing = false, data = null, timer = 0, rows = [], shownRows = [], reached = 0, opened = "";
  const lists = new Map(); // of the grids that the history leads to: key to rows

  async function load() {
    const found = await api.get("/v1/map", {}, { latest: "map" });
    if (found.state !== "ready") return wait(found);
    if (found.stale) timer = setTimeout(() => load().catch(show), AGAIN);
    pictures?.retry();
    if (data && found.generation === data.generation) return null;
    data = { ...found, order: spread(found.ids.length) };
    return data.ids.length ? draw() : tell(state("The collection is empty", "Add pictures on the command line: lookalike index INDEX FOLDER."));
  }

  function wait(found) {
    if (found.state === "failed") return tell(state("The map could not be made", found.message, button("Try again", () => load().catch(show), { className: "primary" })));
    const far = found.total ? ` ${found.stage}: ${found.done.toLocaleString("en")} of ${found.total.toLocaleString("en")}.` : "";
    tell(state("The map is being made", `Every picture gets its place once; a large collection takes some seconds.${far}`));
    timer = setTimeout(() => load().catch(show), AGAIN);
    return null;
  }

  function tell(said) {
    drawn = null;
    data = null;
    about.textContent = "";
    place.replaceChildren(said);
  }

  function show(error) {
    if (isOutdated(error)) return;
    if (drawn) { app.fail(error); return; } // what is shown stays true
    tell(state(sentence(error.message), sentence(error.hint), button("Try again", () => load().catch(show), { className: "primary" })));
  }

  function draw() {
    about.textContent = sentences(data).join(" ");
    pictures = lazyPictures(api, data.ids, { missed: seeWhetherItAnswers });
    drawn = drawMap(place, data, { pictures, select: choose });
    choose([]);
    return null;
  }

  /* A small picture that does not come says nothing of why. */
  function seeWhetherItAnswers() {
    if (isSeeing) return;
    isSeeing = true;
    app.refreshInfo().catch(app.fail).finally(() => { isSeeing = false; });
  }

  const itemOf = (row) => ({ id: data.ids[row], name: data.names[row], label: labelOf(row) });

  function labelOf(row) {
    const labels = data.columns.find(({ name }) => name === "label");
    return labels ? labels.values[labels.codes[row]] : "";
  }

  /* What a line was drawn around, as a list in the place of the legend. */
  function choose(found) {
    rows = found;
    chosen.hidden = !rows.length;
    frame.classList.toggle("has-chosen", rows.length > 0);
    spoken.textContent = rows.length ? `${count(rows.length, "picture")} chosen` : "";
    if (!rows.length) { chosen.replaceChildren(); return; }
    const list = make("ul", { className: "map-thumbs" }, ...rows.slice(0, LISTED).map(entry));
    chosen.replaceChildren(make("div", { className: "map-list-of" }, make("header", {}, make("h2", { textContent: count(rows.length, "picture") }), iconButton("close", "Choose none", () => { drawn.chooseRows([]); place.querySelector("canvas").focus(); })),
      make("div", { className: "map-actions" }, button(rows.length === 1 ? "Search with it" : "Search with these", () => search(rows), { className: "primary", sign: "search" }), button("Open as grid", listRows)),
      rows.length > MOST_ASKED ? make("p", { className: "quiet small", textContent: `A search starts from ${MOST_ASKED} of them, spread evenly.` }) : null,
      list, rows.length > LISTED ? make("p", { className: "quiet small", textContent: `and ${(rows.length - LISTED).toLocaleString("en")} more in the grid` }) : null));
  }

  function entry(row) {
    const { id, name, label } = itemOf(row);
    return make("li", {}, make("button", { type: "button", className: "picture", title: name, "aria-label": `${[label, name].filter(Boolean).join(", ")}. Search with it`, onclick: () => search([row]) }, thumbnail(api.thumb(id, 128))));
  }

  function search(found) {
    const step = Math.max(1, found.length / MOST_ASKED);
    const some = Array.from({ length: Math.min(found.length, MOST_ASKED) }, (_, number) => found[Math.floor(number * step)]);
    app.go("search", new URLSearchParams(some.map((row) => ["id", data.ids[row]])));
  }

  function listRows() {
    const key = `${data.generation}-${lists.size + 1}`;
    lists.set(key, rows);
    app.go("map", { grid: key });
  }

  /* The grid that the address names; a list of an earlier load, or of another map, is not there any more. */
  function follow(key) {
    const isSame = key === opened;
    opened = data && key.startsWith(`${data.generation}-`) && lists.has(key) ? key : "";
    if (key && data && !opened) history.replaceState(history.state, "", "#map");
    if (!opened) return gridFrame.hidden ? null : closeGrid();
    return isSame ? null : openGrid(lists.get(opened));
  }

  function openGrid(listed) {
    shownRows = listed;
    gridFrame.hidden = false;
    frame.hidden = true;
    gridTitle.textContent = count(listed.length, "picture");
    showGrid(listed, 0);
    gridTitle.focus();
  }

  function closeGrid() {
    gridFrame.hidden = true;
    frame.hidden = false;
    grid.clear();
  }

  function showGrid(found, from) {
    const page = found.slice(from, from + LISTED).map((row) => tile(api, itemOf(row), { more: ({ id }) => app.go("search", { id }) }, { asked: false }));
    reached = from + page.length;
    grid[from ? "append" : "fill"](page, { isMore: reached < found.length });
  }

  return {
    show: (parameters) => {
      const key = parameters.get("grid") ?? "";
      if (data) follow(key);
      else place.replaceChildren(state("The map is being fetched"));
      return load().catch(show).then(() => follow(key));
    },
    hide: () => {
      clearTimeout(timer);
      api.giveUp("map");
    },
  };
}

function sentences({ ids, of, sampled, method, explained }) {
  const said = [`${count(ids.length, "picture")}. Near each other: alike to the model.`];
  if (typeof explained === "number" && method === "pca") said.push(`The plane shows ${Math.round(100 * explained)}% of what tells them apart.`);
  else if (method) said.push(`How far apart says little (${method.toUpperCase()}).`);
  if (sampled) said.push(`They are a fair sample of ${of.toLocaleString("en")}.`);
  return said;
}
