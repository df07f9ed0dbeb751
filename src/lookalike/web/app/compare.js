/* Compare: two pictures of the collection or of one's own, looked at together, judged, explained, decided on.
 *
 * The address says which: #compare?a=5&b=f3, an id or "f" and the key of a file that the basket keeps.
 */

import { createStage } from "./compare_stage.js";
import { createVerdict } from "./compare_verdict.js";
import { shortName } from "./cutting.js";
import { button, make } from "./elements.js";
import { factsOf, inBytes } from "./review_words.js";

const SIZE = 2048; // pixels of the longer side, of a picture of the collection
const KEYS = ["a", "b"];

export const mount = (root, app) => new Compare(root, app);

class Compare {
  #app; #stage; #verdict; #work;
  #sides = [null, null];
  #turn = 0; // what was asked for before another was is not shown
  #choosing = 0; // the side that a picture is chosen for
  #facts = make("div", { className: "compare-facts" });
  #chooser = make("input", { type: "file", accept: "image/*", multiple: true, className: "unseen", tabIndex: -1, "aria-hidden": "true" });
  #onPaste = (event) => this.#paste(event);
  #onKey = (event) => this.#press(event);

  constructor(root, app) {
    this.#app = app;
    this.#stage = createStage({ choose: (side) => this.#choose(side), swap: () => this.#open(this.#names().reverse()) });
    this.#verdict = createVerdict(app);
    this.#work = make("div", { className: "compare-work" }, make("div", {}, this.#stage.element, this.#facts), this.#verdict.element);
    root.dataset.drops = "";
    root.append(make("h1", { textContent: "Compare two pictures" }), this.#work, this.#verdict.why, this.#chooser);
    this.#chooser.addEventListener("change", () => this.#take([...this.#chooser.files], this.#choosing));
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => this.#drop(event));
  }

  show(parameters) {
    return this.#show(parameters).catch(this.#app.fail);
  }

  hide() {
    this.#turn += 1;
    this.#listen(false);
  }

  async #show(parameters) {
    const mine = (this.#turn += 1), names = KEYS.map((key) => parameters.get(key) ?? "");
    this.#listen(true);
    if (!names.some(Boolean)) return this.#fill();
    const found = await Promise.all(names.map((name) => sideOf(name, this.#app)));
    if (mine !== this.#turn) return null;
    this.#sides = found;
    return this.#draw();
  }

  /* Opened without pictures: those that were here, or the first two that are carried along. */
  #fill() {
    const carried = this.#app.basket.pictures.slice(0, 2).map((each) => (each.file ? `f${this.#app.basket.keep(each.file)}` : String(each.id)));
    const names = this.#sides.some(Boolean) ? this.#names() : carried;
    if (!names.some(Boolean)) return this.#draw();
    history.replaceState(null, "", addressOf(names)); // going back does not end up here again
    return this.#show(new URLSearchParams(parametersOf(names)));
  }

  #names() { return this.#sides.map((side) => side?.key ?? ""); }

  #open(names) { this.#app.go("compare", parametersOf(names)); }

  #draw() {
    const both = this.#sides.every(Boolean);
    this.#facts.replaceChildren(...this.#sides.map((side, place) => describe(side, place, () => this.#choose(place))));
    this.#work.classList.toggle("has-verdict", both);
    this.#verdict.show(both ? this.#sides : null);
    return this.#stage.show(this.#sides);
  }

  /* Pictures of one's own. */

  #choose(side) {
    this.#choosing = side;
    this.#chooser.value = "";
    this.#chooser.click();
  }

  /* Files for a side; a second one goes to the other side. */
  #take(files, side) {
    if (!files.length) return;
    const names = this.#names();
    files.slice(0, 2).forEach((file, place) => { names[(side + place) % 2] = `f${this.#app.basket.keep(file)}`; });
    this.#open(names);
  }

  /* The side of a pane, or the first that is free. */
  #sideAt(pane) {
    return pane ? "AB".indexOf(pane.dataset.side) : Number(Boolean(this.#sides[0]));
  }

  #drop(event) {
    event.preventDefault();
    this.#take([...(event.dataTransfer?.files ?? [])], this.#sideAt(event.target.closest("[data-side]")));
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("input, textarea, dialog")) return;
    event.preventDefault(); // the search does not take it as well
    this.#take(files, this.#sideAt(document.activeElement?.closest("[data-side]")));
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input:not([type=radio], [type=range]), textarea, select, dialog")) return;
    if (event.key.toLowerCase() !== "f" || !this.#sides.every(Boolean)) return;
    event.preventDefault();
    this.#stage.flip();
  }

  #listen(on) {
    const change = on ? "addEventListener" : "removeEventListener";
    document[change]("paste", this.#onPaste, { capture: true });
    document[change]("keydown", this.#onKey);
  }
}

function describe(side, place, choose) {
  const letter = make("span", { className: "compare-letter still", textContent: "AB"[place] });
  if (!side) return make("div", { className: "compare-fact" }, letter, make("p", { className: "quiet", textContent: "No picture yet." }));
  const about = side.item ? [side.item.label, factsOf(side.item)] : [`your file, ${inBytes(side.file.size)}, not kept`];
  return make("div", { className: "compare-fact" }, letter,
    make("div", { className: "compare-about" },
      make("bdi", { className: "name", title: side.name, textContent: shortName(side.name) }),
      make("span", { className: "quiet small", textContent: about.filter(Boolean).join(" · ") })),
    button("Another", choose, { className: "plain", "aria-label": `Another picture for ${"AB"[place]}` }));
}

const parametersOf = (names) => Object.fromEntries(KEYS.map((key, place) => [key, names[place]]).filter(([, name]) => name));
const addressOf = (names) => `#compare?${new URLSearchParams(parametersOf(names))}`;

/* What a name of the address means; a file that is gone, and an id that is not known, are told. */
async function sideOf(key, app) {
  if (!key) return null;
  if (key.startsWith("f")) {
    const file = app.basket.file(key.slice(1));
    if (!file) app.fail({ code: "gone", message: "A picture of your own is not here any more.", hint: "Files stay only while the page is open: choose it again." });
    return file && { key, file, name: file.name || "pasted picture", url: app.basket.preview(key.slice(1)) };
  }
  try {
    const item = await app.api.get(`/v1/items/${encodeURIComponent(key)}`);
    return { key, id: item.id, item, name: item.name, url: app.api.thumb(item.id, SIZE) };
  } catch (error) {
    app.fail(error);
    return null;
  }
}
