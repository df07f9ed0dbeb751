/* Paints the map on its canvas: points, the pictures that have room, the chosen one, a line that is being drawn. */

import { isFlag, setMarkers } from "./map_looks.js";

const MOST_RINGS = 100; // a larger group tells nothing

/* scene: { x, y, camera, values, room, stamps, line, card, pictures, isMany, shows: { pictures, chosen } } */
export function createPainter(canvas, scene) {
  const pen = canvas.getContext("2d"), { at } = scene.camera;
  let ground = null; // the points as they were painted last; null: paint them again
  let waiting = false;

  /* What lies over the points has changed, they have not. */
  function drawOver() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function paint() {
    const { pictures, chosen } = scene.shows;
    clear(pen, at);
    if (canvas.width && canvas.height) pen.putImageData(ground ??= points(pen.createImageData(canvas.width, canvas.height), scene), 0, 0);
    if (pictures) scene.room.rows().forEach((row) => paintPicture(pen, row, scene));
    if (chosen >= 0) paintChosen(pen, chosen, scene);
    if (scene.line.isDrawn()) scene.line.paint(pen, scene.stamps.css("--query"));
    if (chosen >= 0) scene.card.put(scene.camera.placeOf(chosen), at.width, at.height);
  }

  return { drawOver, draw: () => { ground = null; drawOver(); } };
}

function clear(pen, { width, height }) {
  const ratio = devicePixelRatio || 1, { canvas } = pen, [wide, high] = [width, height].map((side) => Math.round(side * ratio));
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
}

const radiusOf = ({ isMany, camera }) => (isMany ? 2 : 3.5) * Math.min(2.5, Math.sqrt(camera.magnified()));

/* Points are set pixel by pixel: a hundred thousand take some milliseconds, wherever the browser draws. */
function points(image, scene) {
  const { x, y, values, stamps, camera: { at } } = scene, size = Math.round(radiusOf(scene) * 2) / 2;
  const masks = values.shapes.map((look) => stamps.mask(look, size)), { codes } = values.column();
  const scale = at.scale * image.width / at.width, places = { x, y, scale, left: image.width / 2 - at.x * scale, top: image.height / 2 + at.y * scale };
  const isOut = (row) => values.isShown(row) && values.isSelected(row), maskAt = (row) => masks[codes[row]];
  if (values.brought || values.selected) setMarkers(image, places, maskAt, (row) => !isOut(row), 0.18);
  setMarkers(image, places, maskAt, isOut, 0.75);
  return image;
}

function paintPicture(pen, row, { camera, values, room, stamps, pictures }) {
  const wide = room.side(), place = camera.placeOf(row), [left, top] = place;
  if (!camera.inView(place, wide)) return;
  pen.globalAlpha = values.isSelected(row) ? 1 : 0.25;
  if (pictures.paint(pen, row, left - wide / 2, top - wide / 2, wide)) {
    pen.strokeStyle = stamps.css(values.lookOf(row).colour);
    pen.lineWidth = 1.5;
    pen.strokeRect(left - wide / 2, top - wide / 2, wide, wide);
  }
  pen.globalAlpha = 1;
}

/* The chosen picture, and the others of its value where these are few; that many others lack something too says nothing. */
function paintChosen(pen, chosen, scene) {
  const column = scene.values.column(), { codes, values } = column, code = codes[chosen], radius = radiusOf(scene);
  const hasRings = values[code] && values.length > 1 && !isFlag(column) && scene.values.sizes[code] <= MOST_RINGS;
  pen.strokeStyle = scene.stamps.css("--query");
  pen.lineWidth = 1.5;
  for (let row = 0; row < scene.x.length; row += 1) {
    if (row !== chosen && !(hasRings && codes[row] === code)) continue;
    pen.beginPath();
    pen.arc(...scene.camera.placeOf(row), radius + (row === chosen ? 5 : 2.5), 0, 2 * Math.PI);
    pen.stroke();
  }
}
