/* Which row is meant: the one under the pointer, or the next one for the keyboard. */

const REACH = 12; // pixels around a point that still mean it

/* A picture that is shown, else the nearest point; -1: there is none. */
export function rowAt(left, top, { x, y, camera, values, room, shows }) {
  const half = room.side() / 2, { scale } = camera.at, [right, up] = camera.toData(left, top);
  const over = (row) => Math.abs(x[row] - right) * scale <= half && Math.abs(y[row] - up) * scale <= half;
  const shown = shows.pictures ? room.rows().find(over) : undefined;
  if (shown !== undefined) return shown;
  let nearest = -1, least = (REACH / scale) ** 2;
  for (let row = 0; row < x.length; row += 1) {
    const gap = (x[row] - right) ** 2 + (y[row] - up) ** 2;
    if (gap <= least && values.isShown(row)) [nearest, least] = [row, gap];
  }
  return nearest;
}

/* Of rows in their order, the one after the chosen one, or before it. */
export function nextRow(rows, chosen, by) {
  const place = rows.indexOf(chosen);
  return rows[(place + by + rows.length + (place < 0 && by < 0 ? 1 : 0)) % rows.length];
}
