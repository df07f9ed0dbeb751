/* How values look on the map: a colour and a marker each, drawn once and kept until the colours change. */

import { make } from "./make.js";

const COLOURS = ["--plot-blue", "--plot-orange", "--plot-green", "--plot-purple"];
const MARKERS = ["circle", "square", "triangle", "diamond"];
export const LOOKS = COLOURS.flatMap((colour) => MARKERS.map((marker) => ({ colour, marker })));
export const UNKNOWN = { colour: "--plot-grid", marker: "circle" };
const EDGE = 40; // pixels that a marker may reach over the edge
const CORNERS = {
  square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
  triangle: [[0, -1], [1, 0.8], [-1, 0.8]],
  diamond: [[0, -1.1], [1.1, 0], [0, 1.1], [-1.1, 0]],
};

/* Whether so many values each have a look of their own. */
export const areTold = (values) => values.length <= LOOKS.length;

/* A column that says of each picture whether it has something: its values are 0 and 1, or not known. */
export const isFlag = ({ name, values }) => !["label", "folder"].includes(name) && values.includes("1") && values.every((value) => ["", "0", "1"].includes(value));

/* A value in words. */
export function wordsOf(column, value) {
  if (value === "") return "not known";
  if (!isFlag(column)) return value;
  return value === "1" ? column.name : `no ${column.name}`;
}

/* The column to begin with: the labels. Where there are too many for colours, another one whose values are told apart, the one
 * with most of them; a flag only where there are no labels. */
export function firstColumn(columns) {
  const label = columns.findIndex(({ name }) => name === "label");
  const sizes = columns.map((column, place) => (!areTold(column.values) ? 0 : place === label ? Infinity : label >= 0 && isFlag(column) ? 0 : column.values.length));
  const most = Math.max(...sizes);
  return most > 0 ? sizes.indexOf(most) : Math.max(label, 0);
}

/* Up to 16 values each have a look; of more, those in `out`, and one for all where that are many. */
export function looksOf(values, out) {
  const look = (place) => LOOKS[(place * 5) % LOOKS.length];
  if (areTold(values)) return values.map((value, code) => (value ? look(code) : UNKNOWN));
  const made = values.map(() => UNKNOWN), shown = out();
  [...shown].forEach((code, place) => { made[code] = shown.size > LOOKS.length ? LOOKS[0] : look(place); });
  return made;
}

export function createStamps(root) {
  const stamps = new Map(), masks = new Map(), inks = new Map();

  function css(name) {
    if (!inks.has(name)) inks.set(name, getComputedStyle(root).getPropertyValue(name).trim());
    return inks.get(name);
  }

  function stamp(look, size) {
    const ratio = devicePixelRatio || 1, key = `${look.colour} ${look.marker} ${size} ${ratio}`;
    if (!stamps.has(key)) stamps.set(key, drawnMarker(look.marker, css(look.colour), size, ratio));
    return stamps.get(key);
  }

  /* The pixels of a marker around its middle, four numbers each: right, down, alpha, colour. */
  function mask(look, size) {
    const drawn = stamp(look, size), key = `${look.colour} ${look.marker} ${size} ${drawn.width}`;
    if (!masks.has(key)) masks.set(key, maskOf(drawn));
    return masks.get(key);
  }

  return { css, stamp, mask, clear: () => [stamps, masks, inks].forEach((made) => made.clear()) };
}

function maskOf(drawn) {
  const { data: rgba, width } = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height), set = [];
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3]) set.push((i / 4) % width - (width >> 1), Math.floor(i / 4 / width) - (width >> 1), rgba[i + 3], rgba[i] | (rgba[i + 1] << 8) | (rgba[i + 2] << 16));
  }
  return Int32Array.from(set);
}

function drawnMarker(marker, colour, size, ratio) {
  const side = 2 * (size + 1), canvas = make("canvas", { width: Math.ceil(side * ratio), height: Math.ceil(side * ratio) });
  const pen = canvas.getContext("2d"), middle = size + 1, corners = CORNERS[marker];
  pen.scale(canvas.width / side, canvas.height / side);
  pen.fillStyle = colour;
  pen.beginPath();
  if (corners) corners.forEach(([x, y]) => pen.lineTo(middle + x * size, middle + y * size));
  else pen.arc(middle, middle, size, 0, 2 * Math.PI);
  pen.fill();
  return canvas;
}

/* Markers of the rows that are wanted, set into an image pixel by pixel; places say how data becomes pixels. */
export function setMarkers({ data, width, height }, { x, y, scale, left, top }, maskOf, isWanted, strength) {
  const pixels = new Uint32Array(data.buffer);
  for (let row = 0; row < x.length; row += 1) {
    const across = x[row] * scale + left, down = top - y[row] * scale;
    if (across < -EDGE || down < -EDGE || across > width + EDGE || down > height + EDGE || !isWanted(row)) continue;
    setPixels(pixels, width, height, maskOf(row), Math.round(across), Math.round(down), strength);
  }
}

/* Where markers overlap, the stronger pixel stays. */
function setPixels(pixels, width, height, mask, middleX, middleY, strength) {
  for (let i = 0; i < mask.length; i += 4) {
    const x = middleX + mask[i], y = middleY + mask[i + 1];
    if (x < 0 || y < 0 || x >= width || y >= height) continue;
    const strong = Math.round(mask[i + 2] * strength), place = y * width + x;
    if (strong >= pixels[place] >>> 24) pixels[place] = ((strong << 24) | mask[i + 3]) >>> 0;
  }
}
