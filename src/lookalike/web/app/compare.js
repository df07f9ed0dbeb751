/* Compare: two pictures of the collection or of one's own, looked at together, judged, explained, decided on.
 *
 * The address says which: #compare?a=5&b=f3, an id or "f" and the key of a file that the basket keeps.
 */

import { createStage } from "./compare_stage.js";
import { createVerdict } from "./compare_verdict.js";
import { button, make } from "./elements.js";
import { factsOf, inBytes, shortName } from "./review_words.js";

const SIZE = 2048; // pixels of the longer side, of a picture of the collection
const KEYS = ["a", "b"];

export function mount(root, app) {
  let sides = [null, null], turn = 0;
  const chooser = make("input", { type: "file", accept: "image/*", multiple: true, className: "unseen", tabIndex: -1, "aria-hidden": "true" });
  let choosing = 0;
  const stage = createStage({ choose, swap: () => open(sides.map((side) => side?.key).reverse()) }), verdict = createVerdict(app);
  const facts = make("div", { className: "compare-facts" });
  root.dataset.drops = "";
  const work = make("div", { className: "compare-work" }, make("div", {}, stage.element, facts), verdict.element);
  root.append(make("h1", { textContent: "Compare two pictures" }), work, verdict.why, chooser);

  function choose(side) {
    choosing = side;
    chooser.value = "";
    chooser.click();
  }

  chooser.addEventListener("change", () => take([...chooser.files], choosing));

  /* Files for a side; a second one goes to the other side. */
  function take(files, side) {
    if (!files.length) return;
    const names = sides.map((each) => each?.key ?? "");
    files.slice(0, 2).forEach((file, place) => { names[(side + place) % 2] = `f${app.basket.keep(file)}`; });
    open(names);
  }

  const open = (names) => app.go("compare", parametersOf(names));

  const firstFree = () => (sides[0] ? 1 : 0);

  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    const pane = event.target.closest("[data-side]");
    take([...(event.dataTransfer?.files ?? [])], pane ? "AB".indexOf(pane.dataset.side) : firstFree());
  });

  function onPaste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("input, textarea")) return;
    event.preventDefault(); // the search does not take it as well
    const pane = document.activeElement?.closest("[data-side]");
    take(files, pane ? "AB".indexOf(pane.dataset.side) : firstFree());
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input:not([type=radio], [type=range]), textarea, select")) return;
    if (event.key.toLowerCase() !== "f" || !sides.every(Boolean)) return;
    event.preventDefault();
    stage.flip();
  }

  async function show(parameters) {
    const mine = (turn += 1);
    listen(true);
    const names = KEYS.map((key) => parameters.get(key) ?? "");
    if (!names.some(Boolean)) return fill();
    const found = await Promise.all(names.map((name) => sideOf(name, app)));
    if (mine !== turn) return null;
    sides = found;
    draw();
    return stage.show(sides);
  }

  /* Opened without pictures: those that were here, or the first two that are carried along. */
  function fill() {
    const carried = app.basket.pictures.slice(0, 2).map((each) => (each.file ? `f${app.basket.keep(each.file)}` : String(each.id)));
    const names = sides.some(Boolean) ? sides.map((each) => each?.key ?? "") : carried;
    if (names.some(Boolean)) {
      history.replaceState(null, "", addressOf(names)); // going back does not end up here again
      return show(new URLSearchParams(parametersOf(names)));
    }
    draw();
    return stage.show(sides);
  }

  function draw() {
    facts.replaceChildren(...sides.map(describe));
    const both = sides.every(Boolean);
    work.classList.toggle("has-verdict", both);
    verdict.show(both ? sides : null);
  }

  function describe(side, place) {
    const letter = make("span", { className: "compare-letter still", textContent: "AB"[place] });
    if (!side) return make("div", { className: "compare-fact" }, letter, make("p", { className: "quiet", textContent: "No picture yet." }));
    const about = side.item ? [side.item.label, factsOf(side.item)] : [`your file, ${inBytes(side.file.size)}, not kept`];
    return make("div", { className: "compare-fact" }, letter,
      make("div", { className: "compare-about" },
        make("bdi", { className: "name", title: side.name, textContent: shortName(side.name) }),
        make("span", { className: "quiet small", textContent: about.filter(Boolean).join(" · ") })),
      button("Another", () => choose(place), { className: "plain", "aria-label": `Another picture for ${"AB"[place]}` }));
  }

  function listen(on) {
    const change = on ? "addEventListener" : "removeEventListener";
    document[change]("paste", onPaste, { capture: true });
    document[change]("keydown", onKey);
  }

  return {
    show: (parameters) => show(parameters).catch?.(app.fail),
    hide: () => {
      turn += 1;
      listen(false);
    },
  };
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
