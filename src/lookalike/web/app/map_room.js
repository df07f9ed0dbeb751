/* Which rows have room for their pictures on the map, none over another: the same ones wherever it is moved to. */

import { within, withRoom } from "./map_places.js";

const MOST_TRIED = 10_000; // rows whose pictures are tried for a place at once, where there are many
const APART = 1.08; // sides of a picture

/* tried: rows in the order in which they are; isMany: places are found anew only now and then. */
export function createRoom({ x, y, tried, isMany, camera: { at, magnified }, values }) {
  let kept = { key: "", rows: [] }; // at this scale

  const side = () => Math.min(96, (at.width < 500 ? 34 : 44) * Math.min(3, Math.sqrt(magnified())));

  function rows() {
    const wide = side() * APART / at.scale;
    if (isMany) return around(2 ** (Math.ceil(Math.log2(wide) * 3) / 3));
    if (kept.key !== wide) kept = { key: wide, rows: withRoom(tried.filter(values.isShown), x, y, wide) };
    return kept.rows;
  }

  /* Of many, those around the view; found again only when side or view have changed a good deal. */
  function around(wide) {
    const cell = 2 ** Math.ceil(Math.log2(Math.max(at.width, at.height) / at.scale));
    const across = Math.floor(at.x / cell), up = Math.floor(at.y / cell), key = `${wide} ${cell} ${across} ${up}`;
    if (kept.key !== key) {
      const box = { west: (across - 1) * cell, east: (across + 2) * cell, south: (up - 1) * cell, north: (up + 2) * cell };
      kept = { key, rows: withRoom(within(values.brought ? tried.filter(values.isShown) : tried, x, y, box, MOST_TRIED), x, y, wide) };
    }
    return kept.rows;
  }

  return { side, rows, forget: () => { kept.key = ""; } };
}
