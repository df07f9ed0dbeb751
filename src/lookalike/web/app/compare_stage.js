/* Two pictures on a stage: side by side, one over the other, or what they differ by; one zoom for all of it.
 *
 * Sides enter: { letter, url, name, empty }. Choosing pictures and judging them are others' business.
 */

import { shortName } from "./cutting.js";
import { drawDifference, wordsOf } from "./difference.js";
import { button, iconButton, make } from "./elements.js";
import { segments } from "./segments.js";
import { createLens } from "./zoom.js";

const LETTERS = ["A", "B"];
const MODES = {
  side: "Side by side",
  flip: "Flip",
  slide: "Slide",
  fade: "Fade",
  difference: "Difference",
};
const GAINS = [1, 4, 16];

/* choose(side) opens a chooser for a picture; side is 0 or 1. swap() puts each in the other's place. */
export function createStage({ choose, swap }) {
  const exchange = button("Swap", swap, { className: "plain" });
  const scale = make("output", { className: "compare-scale", "aria-label": "Zoom" });
  const lens = createLens((now) => { scale.textContent = `${now === 1 ? "1" : now.toFixed(now < 10 ? 1 : 0)} ×`; });
  const panes = LETTERS.map((letter, side) => createPane(letter, () => choose(side)));
  const difference = createDifference(panes);
  const field = make("div", { className: "compare-panes" }, ...panes.map((pane) => pane.element), difference.pane);
  for (const { element, layer } of [...panes, { element: difference.pane, layer: difference.layer }]) lens.add(element, layer);
  const state = { mode: "side", over: false };
  const controls = modeControls(field, { flip, difference });
  const element = make("section", { className: "compare-stage", "aria-label": "The two pictures" },
    make("div", { className: "compare-tools" }, modeChoice(setMode), zoomTools(lens, scale, exchange)), field, controls.element);

  function setMode(mode) {
    state.mode = mode;
    field.dataset.mode = mode;
    controls.show(mode);
    if (mode === "difference") difference.draw();
    if (mode === "flip") turn(state.over);
  }

  /* The key and the button: from any other way of looking this one is entered first. */
  function flip() {
    if (state.mode !== "flip") {
      element.querySelector("input[value=flip]").checked = true;
      setMode("flip");
    } else turn(!state.over);
  }

  function turn(over) {
    state.over = over;
    field.dataset.over = over ? "b" : "a";
    controls.told(`${LETTERS[Number(over)]} is in front: ${shortName(panes[Number(over)].name())}`);
  }

  async function show(sides) {
    lens.fit();
    exchange.hidden = !sides.every(Boolean);
    await Promise.all(panes.map((pane, side) => pane.show(sides[side])));
    if (state.mode === "difference") difference.draw();
    if (state.mode === "flip") turn(state.over);
  }

  setMode("side");
  lens.show();
  return { element, show, flip, lens };
}

function createPane(letter, choose) {
  const image = make("img", { alt: "", draggable: false });
  const layer = make("div", { className: "compare-layer" }, image);
  const empty = make("div", { className: "compare-empty" },
    button("Choose a picture", choose, { sign: "upload" }), make("p", { className: "quiet small", textContent: "or drop it here, or paste it" }));
  const trouble = make("p", { className: "compare-trouble", role: "status", hidden: true });
  const element = make("div", { className: `compare-pane pane-${letter.toLowerCase()}`, tabIndex: 0, role: "application" }, layer,
    make("span", { className: "compare-letter", textContent: letter, "aria-hidden": "true" }), empty, trouble);
  element.dataset.side = letter;
  let shown = null;

  async function show(side) {
    shown = side;
    element.classList.toggle("is-empty", !side);
    element.setAttribute("aria-label", side
      ? `Picture ${letter}: ${side.name}. Plus and minus zoom, arrow keys move, 0 shows all, F flips.`
      : `Picture ${letter}: none yet`);
    trouble.hidden = true;
    image.hidden = !side;
    if (!side) return image.removeAttribute("src");
    image.src = side.url;
    element.classList.add("is-loading");
    try {
      await image.decode();
    } catch {
      if (shown !== side) return null; // another picture came meanwhile
      image.hidden = true;
      trouble.hidden = false;
      trouble.textContent = "This browser cannot show the picture. The verdict does not need it.";
    } finally {
      if (shown === side) element.classList.remove("is-loading");
    }
    return null;
  }

  const isReady = () => Boolean(shown) && !image.hidden && image.naturalWidth > 0;
  return { element, layer, image, show, isReady, name: () => shown?.name ?? "no picture" };
}

function createDifference(panes) {
  const canvas = make("canvas", { role: "img" });
  const layer = make("div", { className: "compare-layer" }, canvas);
  const none = make("div", { className: "compare-empty" }, make("p", { className: "quiet", textContent: "Two pictures that this browser can show are needed. Side by side one can be chosen." }));
  const pane = make("div", { className: "compare-pane pane-difference", tabIndex: 0, role: "application" }, layer, none);
  pane.setAttribute("aria-label", "What the two differ by. Plus and minus zoom, arrow keys move.");
  const words = make("p", { className: "quiet", role: "status" });
  let gain = 1;

  function draw() {
    const ready = panes.every((each) => each.isReady());
    canvas.hidden = !ready;
    pane.classList.toggle("is-empty", !ready);
    words.textContent = ready
      ? wordsOf(drawDifference(canvas, panes[0].image, panes[1].image, { gain }))
      : "";
    canvas.setAttribute("aria-label", words.textContent || "no difference");
  }

  const choice = segments("compare-gain", "Brightness of the difference", GAINS.map((each) => [String(each), `× ${each}`]), (chosen) => {
    gain = Number(chosen);
    draw();
  });
  return { pane, layer, draw, controls: make("div", { className: "compare-control" }, choice, words) };
}

function modeChoice(setMode) {
  return segments("compare-mode", "How to look at them", Object.entries(MODES), setMode);
}

function zoomTools(lens, scale, exchange) {
  return make("div", { className: "compare-zoom", role: "group", "aria-label": "Zoom of both" }, exchange,
    iconButton("minus", "Zoom out", () => lens.zoom(1 / 1.5)), scale, iconButton("plus", "Zoom in", () => lens.zoom(1.5)),
    button("Whole picture", () => lens.fit(), { className: "plain" }));
}

function modeControls(field, { flip, difference }) {
  const told = make("p", { className: "quiet", role: "status" });
  const parts = {
    side: make("p", { className: "quiet small compare-hint", textContent: "Wheel, pinch or double click zooms both; drag moves them. F puts one over the other." }),
    flip: make("div", { className: "compare-control" }, button("Flip", flip, { className: "primary", title: "Key F" }), told),
    slide: slider("Where B begins", "--slide", field),
    fade: slider("How much of B is seen", "--fade", field),
    difference: difference.controls,
  };
  const element = make("div", { className: "compare-controls" }, ...Object.values(parts));
  return {
    element,
    told: (text) => { told.textContent = text; },
    show: (mode) => { for (const [name, part] of Object.entries(parts)) part.hidden = name !== mode; },
  };
}

function slider(name, property, field) {
  const input = make("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": name });
  const set = () => field.style.setProperty(property, `${input.value}%`);
  input.addEventListener("input", set);
  set();
  return make("div", { className: "compare-control" }, make("span", { className: "compare-letter still", textContent: "A" }), input, make("span", { className: "compare-letter still", textContent: "B" }));
}
