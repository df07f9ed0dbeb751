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

import { createCard } from "./map_card.js";
import { createLine } from "./map_line.js";
import { createStamps, firstColumn, looksOf, setMarkers } from "./map_looks.js";
import { span, within, withRoom } from "./map_places.js";
import { followPointers } from "./map_pointers.js";
import { createSide } from "./map_side.js";
import { make } from "./make.js";

const LARGE = 5000; // points: from here on they are drawn smaller, and places are found anew only now and then
const STEP = 48; // pixels that an arrow key moves the map by
const REACH = 12; // pixels around a point that still mean it
const MOST_TRIED = 10_000; // rows whose pictures are tried for a place at once, where there are many
const MOST_RINGS = 400; // of the chosen one's value

export function drawMap(root, data, { pictures = null, select = null } = {}) {
  const count = data.names.length, x = Float64Array.from(data.x), y = Float64Array.from(data.y);
  const columns = data.columns.map(({ name, values, codes }) => ({ name, values, codes: Int32Array.from(codes) }));
  const none = { name: "", values: [""], codes: new Int32Array(count) };
  const state = { column: firstColumn(columns), picked: new Set(), query: "", pictures: Boolean(pictures), chosen: -1, x: 0, y: 0, scale: 1, least: 1, width: 0, height: 0, isDrawing: false };
  const stamps = createStamps(root), tried = pictures ? Array.from(data.order).filter((row) => pictures.has(row)) : [];
  let brought = null; // [n] 1 where a row is brought out by a pick or a search; null: all are
  let selected = null; // [n] 1 where a line was drawn around it
  let shapes = []; // how each value of the column looks
  let kept = { key: "", rows: [] }; // pictures that have a place at this scale
  let ground = null; // the points as they were painted last; null: paint them again
  let waiting = false;

  const canvas = make("canvas", { className: "map-canvas", tabIndex: 0, role: "application" });
  canvas.setAttribute("aria-label", `Map of ${count.toLocaleString("en")} pictures. Arrow keys move it, plus and minus zoom, 0 shows all, N and P go through the pictures.${select ? " Enter lists the one that is shown; to list those of a label, choose it beside the map." : ""}`);
  const card = createCard(data.names, columns, pictures), line = createLine({ toData, toScreen });
  const lasso = select ? tool("◌", "draw a line around pictures (or hold Shift)", () => drawing(!state.isDrawing), { "aria-pressed": false }) : null;
  const view = make("div", { className: "map-view" }, canvas, card.element, make("div", { className: "map-zoom" },
    lasso, tool("+", "zoom in", () => zoom(1.5)), tool("−", "zoom out", () => zoom(1 / 1.5)), tool("□", "show all", fit)));
  const side = createSide(columns, state.column, {
    pick,
    seek: (text) => { state.query = text; refresh(); },
    colourBy: (place) => { state.column = place; pick(null); },
    showPictures: pictures && ((isShown) => { state.pictures = isShown; draw(); }),
    list: select && (() => chooseRows(Array.from(x.keys()).filter((row) => isShown(row)))),
  });
  root.replaceChildren(view, side.element);
  const pen = canvas.getContext("2d");

  function tool(sign, name, onclick, properties = {}) {
    return make("button", { type: "button", textContent: sign, title: name, "aria-label": name, onclick, ...properties });
  }

  /* Values: which of them are brought out, and how each looks. */

  const column = () => columns[state.column] ?? none;
  const isShown = (row) => !brought || brought[row] === 1;

  /* A search looks at everything that is known of a row, a pick at its value. */
  function bringOut() {
    if (!state.picked.size && !state.query) return null;
    const has = (text) => state.query !== "" && text.toLowerCase().includes(state.query);
    const found = columns.map(({ values, codes }) => ({ codes, hits: values.map(has) }));
    const { codes } = column();
    return Uint8Array.from(data.names, (name, row) => Number(
      state.picked.has(codes[row]) || has(name) || found.some((known) => known.hits[known.codes[row]])));
  }

  function pick(code) {
    if (code === null) state.picked.clear();
    else if (!state.picked.delete(code)) state.picked.add(code);
    refresh();
  }

  function refresh() {
    brought = bringOut();
    kept.key = "";
    const { values, codes } = column(), sizes = new Int32Array(values.length), out = new Set(state.picked);
    shapes = looksOf(values, () => new Set(brought ? codes.filter((_, row) => brought[row]) : []));
    let shown = 0;
    for (let row = 0; row < count; row += 1) {
      sizes[codes[row]] += 1;
      if (!brought?.[row]) continue;
      shown += 1;
      if (state.query) out.add(codes[row]);
    }
    const listed = values.map((_, code) => code).filter((code) => !state.query || out.has(code));
    side.show({ values, shapes, sizes, listed, picked: state.picked, stamp: stamps.stamp, brought: shown });
    draw();
  }

  /* Places: from the data to the screen. */

  function toScreen(right, up) { return [(right - state.x) * state.scale + state.width / 2, (state.y - up) * state.scale + state.height / 2]; }
  function toData(left, top) { return [(left - state.width / 2) / state.scale + state.x, state.y - (top - state.height / 2) / state.scale]; }
  const placeOf = (row) => toScreen(x[row], y[row]);
  const inView = (left, top, edge) => left > -edge && top > -edge && left < state.width + edge && top < state.height + edge;
  const magnified = () => state.scale / state.least;
  const radius = () => (count > LARGE ? 2 : 3.5) * Math.min(2.5, Math.sqrt(magnified()));
  const pictureSide = () => Math.min(96, (state.width < 500 ? 34 : 44) * Math.min(3, Math.sqrt(magnified())));

  function measure() {
    Object.assign(state, { width: view.clientWidth, height: view.clientHeight });
    (state.scale === state.least ? fit : draw)(); // fit: nobody has moved it yet
  }

  function fit() {
    const [left, right] = span(x), [bottom, top] = span(y), edge = 2 * 40;
    const wide = (state.width - edge) / (right - left || 1), high = (state.height - edge) / (top - bottom || 1);
    state.least = Math.max(Math.min(wide, high), 1e-9);
    Object.assign(state, { x: (left + right) / 2, y: (bottom + top) / 2, scale: state.least });
    draw();
  }

  function zoom(factor, left = state.width / 2, top = state.height / 2) {
    const scale = Math.min(Math.max(state.scale * factor, state.least / 2), state.least * 400);
    state.x += (left - state.width / 2) * (1 / state.scale - 1 / scale);
    state.y -= (top - state.height / 2) * (1 / state.scale - 1 / scale);
    state.scale = scale;
    draw();
  }

  function move(right, down) {
    state.x -= right / state.scale;
    state.y += down / state.scale;
    draw();
  }

  /* Rows whose pictures have a place, none over another: the same ones wherever the map is moved to. */
  function placed() {
    const wide = pictureSide() * 1.08 / state.scale;
    if (count > LARGE) return placedAround(2 ** (Math.ceil(Math.log2(wide) * 3) / 3));
    if (kept.key !== wide) kept = { key: wide, rows: withRoom(tried.filter(isShown), x, y, wide) };
    return kept.rows;
  }

  /* Of many, those around the view; found again only when side or view have changed a good deal. */
  function placedAround(wide) {
    const cell = 2 ** Math.ceil(Math.log2(Math.max(state.width, state.height) / state.scale));
    const across = Math.floor(state.x / cell), up = Math.floor(state.y / cell), key = `${wide} ${cell} ${across} ${up}`;
    if (kept.key !== key) {
      const box = { west: (across - 1) * cell, east: (across + 2) * cell, south: (up - 1) * cell, north: (up + 2) * cell };
      kept = { key, rows: withRoom(within(brought ? tried.filter(isShown) : tried, x, y, box, MOST_TRIED), x, y, wide) };
    }
    return kept.rows;
  }

  /* Drawing. */

  function draw() {
    ground = null;
    drawOver();
  }

  /* What lies over the points has changed, they have not. */
  function drawOver() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function paint() {
    const ratio = devicePixelRatio || 1, { width, height } = state;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (canvas.width && canvas.height) pen.putImageData(ground ??= points(), 0, 0);
    if (state.pictures) placed().forEach(paintPicture);
    if (state.chosen >= 0) paintChosen();
    if (line.isDrawn()) line.paint(pen, stamps.css("--query"));
    if (state.chosen >= 0) card.put(placeOf(state.chosen), width, height);
  }

  /* Points are set pixel by pixel: a hundred thousand take some milliseconds, wherever the browser draws. */
  function points() {
    const image = pen.createImageData(canvas.width, canvas.height), size = Math.round(radius() * 2) / 2;
    const masks = shapes.map((look) => stamps.mask(look, size)), isOut = (row) => isShown(row) && (!selected || selected[row] === 1);
    const scale = state.scale * image.width / state.width, places = { x, y, scale, left: image.width / 2 - state.x * scale, top: image.height / 2 + state.y * scale };
    const maskOf = (row) => masks[column().codes[row]];
    if (brought || selected) setMarkers(image, places, maskOf, (row) => !isOut(row), 0.18);
    setMarkers(image, places, maskOf, isOut, 0.75);
    return image;
  }

  function paintPicture(row) {
    const wide = pictureSide(), [left, top] = placeOf(row);
    if (!inView(left, top, wide)) return;
    pen.globalAlpha = !selected || selected[row] ? 1 : 0.25;
    if (pictures.paint(pen, row, left - wide / 2, top - wide / 2, wide)) {
      pen.strokeStyle = stamps.css(shapes[column().codes[row]].colour);
      pen.lineWidth = 1.5;
      pen.strokeRect(left - wide / 2, top - wide / 2, wide, wide);
    }
    pen.globalAlpha = 1;
  }

  /* The chosen picture, and the others of its value. */
  function paintChosen() {
    const { codes, values } = column(), code = codes[state.chosen];
    let others = values[code] && values.length > 1 ? MOST_RINGS : 0;
    pen.strokeStyle = stamps.css("--query");
    pen.lineWidth = 1.5;
    for (let row = 0; row < count; row += 1) {
      if (row !== state.chosen && (codes[row] !== code || (others -= 1) < 0)) continue;
      const [left, top] = placeOf(row);
      pen.beginPath();
      pen.arc(left, top, radius() + (row === state.chosen ? 5 : 2.5), 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  /* What is under the pointer, and the card that tells of it. */

  function rowAt(left, top) {
    const half = pictureSide() / 2, [right, up] = toData(left, top);
    const over = (row) => Math.abs(x[row] - right) * state.scale <= half && Math.abs(y[row] - up) * state.scale <= half;
    const shown = state.pictures ? placed().find(over) : undefined;
    if (shown !== undefined) return shown;
    let nearest = -1, least = (REACH / state.scale) ** 2;
    for (let row = 0; row < count; row += 1) {
      const gap = (x[row] - right) ** 2 + (y[row] - up) ** 2;
      if (gap <= least && isShown(row)) [nearest, least] = [row, gap];
    }
    return nearest;
  }

  function choose(row) {
    if (row === state.chosen) return;
    state.chosen = row;
    card.tell(row);
    drawOver();
  }

  function stepThrough(by) {
    const rows = data.order.filter(isShown);
    if (!rows.length) return;
    const place = rows.indexOf(state.chosen);
    const next = rows[(place + by + rows.length + (place < 0 && by < 0 ? 1 : 0)) % rows.length];
    if (!inView(...placeOf(next), 0)) Object.assign(state, { x: x[next], y: y[next] });
    choose(next);
  }

  /* Choosing several. */

  function drawing(isOn) {
    state.isDrawing = isOn;
    lasso.setAttribute("aria-pressed", String(isOn));
    canvas.classList.toggle("is-drawing", isOn);
  }

  function chooseRows(rows) {
    selected = rows.length ? new Uint8Array(count) : null;
    for (const row of rows) selected[row] = 1;
    draw();
    select(rows);
  }

  const around = select && {
    start(left, top) { choose(-1); line.start(left, top); },
    extend(left, top) { line.extend(left, top); drawOver(); },
    end(isWhole) {
      const rows = isWhole ? line.rows(x, y, isShown) : [];
      line.drop();
      drawing(false);
      chooseRows(rows);
    },
  };

  const keys = {
    ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0), ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
    n: () => stepThrough(1), p: () => stepThrough(-1), Escape: () => choose(-1), Enter: () => select && state.chosen >= 0 && chooseRows([state.chosen]),
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
  followPointers(canvas, { move, zoom, point: (left, top) => choose(rowAt(left, top)), tap: select && (() => state.chosen >= 0 && chooseRows([state.chosen])), isDrawing: () => state.isDrawing, draw: around });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") choose(-1); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { stamps.clear(); refresh(); });
  new ResizeObserver(measure).observe(view);
  pictures?.whenReady(() => { card.draw(state.chosen); drawOver(); });
  refresh();
  measure();
  return { placeOf, choose, fit, zoom, move, chooseRows };
}
