/* The map view: where the collection's pictures lie for the model; a line around some of them makes a list. */

import { UNREACHABLE, isOutdated } from "./api.js";
import { button, count, make, sentence, state } from "./elements.js";
import { drawMap } from "./map.js";
import { createChosenGrid, createChosenList } from "./map_chosen.js";
import { spread } from "./map_places.js";
import { lazyPictures } from "./map_thumbs.js";

const AGAIN = 1500; // milliseconds until the server is asked again whether the map is made, or whether it is back
const MOST_ASKED = 16; // pictures that a search starts from

export const mount = (root, app) => new MapView(root, app);

class MapView {
  #app; #list; #grid;
  #about = make("p", { className: "quiet small map-about" });
  #place = make("div", { className: "map" });
  #spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  #frame = make("div", { className: "map-frame" });
  #drawn = null;
  #pictures = null;
  #data = null;
  #timer = 0;
  #isSeeing = false;
  #isShown = false;
  #isGone = false; // whether the server does not answer
  #opened = ""; // key of the grid that is shown
  #lists = new Map(); // of the grids that the history leads to: key to rows

  constructor(root, app) {
    const hands = { itemOf: (row) => this.#itemOf(row), search: (rows) => this.#search(rows) };
    this.#app = app;
    this.#list = createChosenList(app.api, { ...hands, most: MOST_ASKED, none: () => this.#chooseNone(), open: (rows) => this.#listRows(rows) });
    this.#grid = createChosenGrid(app, hands);
    this.#frame.append(this.#place, this.#list.element);
    root.append(make("h1", { className: "unseen", textContent: "Map" }), this.#about, this.#spoken, this.#frame, this.#grid.element);
  }

  show(parameters) {
    const key = parameters.get("grid") ?? "";
    this.#isShown = true;
    if (this.#data) this.#follow(key);
    else this.#place.replaceChildren(state("The map is being fetched"));
    return this.#loadOrSay().then(() => this.#follow(key));
  }

  hide() {
    this.#isShown = this.#isGone = false;
    clearTimeout(this.#timer);
    this.#app.api.giveUp("map");
  }

  /* Fetching the map, and drawing it. */

  #loadOrSay() {
    return this.#load().catch((error) => this.#show(error));
  }

  async #load() {
    const found = await this.#app.api.get("/v1/map", {}, { latest: "map" });
    this.#isGone = false;
    this.#pictures?.retry();
    if (found.state !== "ready") return this.#wait(found);
    if (found.stale) this.#loadLater();
    if (this.#data && found.generation === this.#data.generation) return null;
    this.#data = { ...found, order: spread(found.ids.length) };
    return found.ids.length ? this.#draw() : this.#tell(state("The collection is empty", "Add pictures on the command line: lookalike index INDEX FOLDER."));
  }

  #loadLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#loadOrSay(), AGAIN);
  }

  #again() {
    return button("Try again", () => this.#loadOrSay(), { className: "primary" });
  }

  #wait({ state: course, message, total, done, stage }) {
    if (course === "failed") return this.#tell(state("The map could not be made", message, this.#again()));
    if (this.#drawn) return this.#loadLater(); // by a server that began anew: what is shown stays true
    const far = total ? ` ${stage}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}.` : "";
    this.#tell(state("The map is being made", `Every picture gets its place once; a large collection takes some seconds.${far}`));
    return this.#loadLater();
  }

  #tell(said) {
    this.#drawn = null;
    this.#data = null;
    this.#about.textContent = "";
    this.#place.replaceChildren(said);
  }

  #show(error) {
    if (isOutdated(error)) return;
    if (this.#drawn) this.#sayOver(error); // what is shown stays true
    else this.#tell(state(sentence(error.message), sentence(error.hint), this.#again()));
  }

  /* That the server is gone is said once; it is asked again until it answers. */
  #sayOver(error) {
    if (!this.#isGone) this.#app.fail(error);
    this.#isGone = this.#isShown && error.code === UNREACHABLE;
    if (this.#isGone) this.#loadLater();
  }

  #draw() {
    this.#about.textContent = sentences(this.#data).join(" ");
    this.#pictures = lazyPictures(this.#app.api, this.#data.ids, { missed: () => this.#seeWhetherItAnswers() });
    this.#drawn = drawMap(this.#place, this.#data, { pictures: this.#pictures, select: (rows) => this.#choose(rows) });
    this.#choose([]);
  }

  /* A small picture that does not come says nothing of why. */
  #seeWhetherItAnswers() {
    if (this.#isSeeing) return;
    this.#isSeeing = true;
    this.#app.refreshInfo().catch((error) => this.#show(error)).finally(() => { this.#isSeeing = false; });
  }

  /* What was chosen of it. */

  #itemOf(row) {
    const { ids, names, columns } = this.#data, labels = columns.find(({ name }) => name === "label");
    return { id: ids[row], name: names[row], label: labels ? labels.values[labels.codes[row]] : "" };
  }

  #choose(rows) {
    this.#frame.classList.toggle("has-chosen", rows.length > 0);
    this.#spoken.textContent = rows.length ? `${count(rows.length, "picture")} chosen` : "";
    this.#list.show(rows);
  }

  #chooseNone() {
    this.#drawn.chooseRows([]);
    this.#place.querySelector("canvas").focus();
  }

  #search(rows) {
    const step = Math.max(1, rows.length / MOST_ASKED);
    const some = Array.from({ length: Math.min(rows.length, MOST_ASKED) }, (_, number) => rows[Math.floor(number * step)]);
    this.#app.go("search", new URLSearchParams(some.map((row) => ["id", this.#data.ids[row]])));
  }

  #listRows(rows) {
    const key = `${this.#data.generation}-${this.#lists.size + 1}`;
    this.#lists.set(key, rows);
    this.#app.go("map", { grid: key });
  }

  /* The grid that the address names; a list of an earlier load, or of another map, is not there any more. */
  #follow(key) {
    const before = this.#opened, data = this.#data;
    this.#opened = data && key.startsWith(`${data.generation}-`) && this.#lists.has(key) ? key : "";
    if (key && data && !this.#opened) history.replaceState(history.state, "", "#map");
    if (this.#opened && key === before) return;
    this.#frame.hidden = Boolean(this.#opened);
    this.#grid.show(this.#opened ? this.#lists.get(key) : null);
  }
}

function sentences({ ids, of, sampled, method, explained }) {
  const said = [`${count(ids.length, "picture")}. Near each other: alike to the model.`];
  if (typeof explained === "number" && method === "pca") said.push(`The plane shows ${Math.round(100 * explained)}% of what tells them apart.`);
  else if (method) said.push(`How far apart says little (${method.toUpperCase()}).`);
  if (sampled) said.push(`They are a fair sample of ${of.toLocaleString("en")}.`);
  return said;
}
