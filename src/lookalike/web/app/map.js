/* The embedding map: points and small pictures on a canvas, to move about in.
 *
 * drawMap(root, data, options) fills an element. It asks for nothing from anywhere and sets every text as text.
 *   data.x, data.y      [n] whole numbers, x to the right, y upwards
 *   data.names          [n] the pictures' names
 *   data.columns        what is known of them: { name, values, codes }, codes [n] into values; "" is not known
 *   data.order          [n] rows, in the order in which their pictures are tried for a place
 *   options.pictures    what draws small pictures, see map_pictures.js; null: points only
 *   options.select      called with the rows that a line was drawn around, or that were listed; null: neither can be
 */

import { createCamera } from "./map_camera.js";
import { createCard } from "./map_card.js";
import { nextRow, rowAt } from "./map_finding.js";
import { createLine } from "./map_line.js";
import { createStamps } from "./map_looks.js";
import { createPainter } from "./map_painting.js";
import { followPointers } from "./map_pointers.js";
import { createRoom } from "./map_room.js";
import { createSide } from "./map_side.js";
import { createValues } from "./map_values.js";
import { make } from "./make.js";

const LARGE = 5000; // points: from here on they are drawn smaller, and places are found anew only now and then
const STEP = 48; // pixels that an arrow key moves the map by

export function drawMap(root, data, { pictures = null, select = null } = {}) {
  const canvas = make("canvas", { className: "map-canvas", tabIndex: 0, role: "application", "aria-label": describedFor(data.names.length, select) });
  const scene = sceneOf(root, data, pictures, { changed: () => painter.draw() }), { camera, values, shows } = scene;
  const painter = createPainter(canvas, scene), acts = actsOf(scene, data.order, { painter, select });
  const tools = toolsOf(camera, select && (() => drawing(!shows.isDrawing)));
  const view = make("div", { className: "map-view" }, canvas, scene.card.element, tools.element);
  const side = createSide(scene.columns, values.place, handsOf(scene, acts, { painter, refresh: () => refresh(), select, pictures }));
  root.replaceChildren(view, side.element);

  function refresh() {
    const told = values.update();
    scene.room.forget();
    side.show({ ...told, stamp: scene.stamps.stamp });
    painter.draw();
  }

  function drawing(isOn) {
    shows.isDrawing = isOn;
    tools.lasso.setAttribute("aria-pressed", String(isOn));
    canvas.classList.toggle("is-drawing", isOn);
  }

  listen(canvas, scene, { ...acts, drawing, select, painter });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { scene.stamps.clear(); refresh(); });
  new ResizeObserver(() => camera.measure(view)).observe(view);
  pictures?.whenReady(() => { scene.card.draw(shows.chosen); painter.drawOver(); });
  refresh();
  camera.measure(view);
  return { placeOf: camera.placeOf, choose: acts.choose, fit: camera.fit, zoom: camera.zoom, move: camera.move, chooseRows: acts.chooseRows };
}

/* All that is on the map, and what of it is shown. */
function sceneOf(root, data, pictures, { changed }) {
  const x = Float64Array.from(data.x), y = Float64Array.from(data.y), isMany = data.names.length > LARGE;
  const columns = data.columns.map(({ name, values, codes }) => ({ name, values, codes: Int32Array.from(codes) }));
  const camera = createCamera(x, y, changed), values = createValues(columns, data.names);
  const tried = pictures ? Array.from(data.order).filter((row) => pictures.has(row)) : [];
  return {
    x, y, columns, isMany, camera, values, pictures,
    stamps: createStamps(root), room: createRoom({ x, y, tried, isMany, camera, values }),
    card: createCard(data.names, columns, pictures), line: createLine(camera),
    shows: { pictures: Boolean(pictures), chosen: -1, isDrawing: false },
  };
}

/* Choosing one, the next one, and several. */
function actsOf({ x, y, camera, values, card, shows }, order, { painter, select }) {
  function choose(row) {
    if (row === shows.chosen) return;
    shows.chosen = row;
    card.tell(row);
    painter.drawOver();
  }

  function stepThrough(by) {
    const rows = order.filter(values.isShown);
    if (!rows.length) return;
    const next = nextRow(rows, shows.chosen, by);
    if (!camera.inView(camera.placeOf(next), 0)) {
      Object.assign(camera.at, { x: x[next], y: y[next] });
      painter.draw();
    }
    choose(next);
  }

  function chooseRows(rows) {
    values.select(rows);
    painter.draw();
    select(rows);
  }

  return { choose, stepThrough, chooseRows };
}

/* What the controls beside the map do. */
function handsOf({ x, values, shows }, { chooseRows }, { painter, refresh, select, pictures }) {
  const pick = (code) => { values.pick(code); refresh(); };
  return {
    pick,
    seek: (text) => { values.query = text; refresh(); },
    colourBy: (place) => { values.place = place; pick(null); },
    showPictures: pictures && ((isShown) => { shows.pictures = isShown; painter.draw(); }),
    list: select && (() => chooseRows(Array.from(x.keys()).filter(values.isShown))),
  };
}

function toolsOf({ zoom, fit }, draw) {
  const tool = (sign, name, onclick, properties = {}) => make("button", { type: "button", textContent: sign, title: name, "aria-label": name, onclick, ...properties });
  const lasso = draw ? tool("◌", "draw a line around pictures (or hold Shift)", draw, { "aria-pressed": false }) : null;
  return { lasso, element: make("div", { className: "map-zoom" }, lasso, tool("+", "zoom in", () => zoom(1.5)), tool("−", "zoom out", () => zoom(1 / 1.5)), tool("□", "show all", fit)) };
}

function describedFor(count, select) {
  const listing = select ? " Enter lists the one that is shown; to list those of a label, choose it beside the map." : "";
  return `Map of ${count.toLocaleString("en")} pictures. Arrow keys move it, plus and minus zoom, 0 shows all, N and P go through the pictures.${listing}`;
}

/* The keyboard, the wheel and pointers. */
function listen(canvas, scene, { choose, chooseRows, stepThrough, drawing, select, painter }) {
  const { camera: { zoom, move, fit }, shows } = scene, list = () => select && shows.chosen >= 0 && chooseRows([shows.chosen]);
  const keys = {
    ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0), ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
    n: () => stepThrough(1), p: () => stepThrough(-1), Escape: () => choose(-1), Enter: list,
  };
  canvas.addEventListener("keydown", (event) => {
    const action = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
  }, { passive: false });
  const around = select && drawnAround(scene, { choose, chooseRows, drawing, painter });
  followPointers(canvas, { move, zoom, point: (left, top) => choose(rowAt(left, top, scene)), tap: select && list, isDrawing: () => shows.isDrawing, draw: around });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") choose(-1); });
}

/* A line that is being drawn, and what is within it in the end. */
function drawnAround({ x, y, line, values }, { choose, chooseRows, drawing, painter }) {
  return {
    start(left, top) { choose(-1); line.start(left, top); },
    extend(left, top) { line.extend(left, top); painter.drawOver(); },
    end(isWhole) {
      const rows = isWhole ? line.rows(x, y, values.isShown) : [];
      line.drop();
      drawing(false);
      chooseRows(rows);
    },
  };
}
