/* How the map is looked at: its middle, its scale and the size of the view; places of the data become places on the screen. */

import { span } from "./map_places.js";

const ROOM = 80; // pixels beside all of it, both sides together
const MOST = 400; // times larger than all of it

/* changed() is called whenever something else is in view. */
export function createCamera(x, y, changed) {
  const at = { x: 0, y: 0, scale: 1, least: 1, width: 0, height: 0 };

  function fit() {
    const [left, right] = span(x), [bottom, top] = span(y);
    const wide = (at.width - ROOM) / (right - left || 1), high = (at.height - ROOM) / (top - bottom || 1);
    at.least = Math.max(Math.min(wide, high), 1e-9);
    Object.assign(at, { x: (left + right) / 2, y: (bottom + top) / 2, scale: at.least });
    changed();
  }

  function zoom(factor, left = at.width / 2, top = at.height / 2) {
    const scale = Math.min(Math.max(at.scale * factor, at.least / 2), at.least * MOST);
    at.x += (left - at.width / 2) * (1 / at.scale - 1 / scale);
    at.y -= (top - at.height / 2) * (1 / at.scale - 1 / scale);
    at.scale = scale;
    changed();
  }

  function move(right, down) {
    at.x -= right / at.scale;
    at.y += down / at.scale;
    changed();
  }

  function measure({ clientWidth: width, clientHeight: height }) {
    Object.assign(at, { width, height });
    (at.scale === at.least ? fit : changed)(); // fit: nobody has moved it yet
  }

  return { at, fit, zoom, move, measure, ...placesOf(at, x, y), magnified: () => at.scale / at.least };
}

function placesOf(at, x, y) {
  const toScreen = (right, up) => [(right - at.x) * at.scale + at.width / 2, (at.y - up) * at.scale + at.height / 2];
  const toData = (left, top) => [(left - at.width / 2) / at.scale + at.x, at.y - (top - at.height / 2) / at.scale];
  const inView = ([left, top], edge) => left > -edge && top > -edge && left < at.width + edge && top < at.height + edge;
  return { toScreen, toData, inView, placeOf: (row) => toScreen(x[row], y[row]) };
}
