/* Where pictures lie: which of them have room, what a line around them holds, in which order they are tried. */

/* Of rows in their order, those whose squares of a side lie over no earlier one's. */
export function withRoom(rows, x, y, side) {
  const cells = new Map(), found = [];
  const key = (across, up) => across * 16_384 + up; // small whole numbers are looked up fastest
  const isTaken = (row, across, up) => {
    for (let i = across - 1; i <= across + 1; i += 1) {
      for (let j = up - 1; j <= up + 1; j += 1) {
        const other = cells.get(key(i, j));
        if (other !== undefined && Math.abs(x[other] - x[row]) < side && Math.abs(y[other] - y[row]) < side) return true;
      }
    }
    return false;
  };
  for (const row of rows) {
    const across = Math.floor(x[row] / side), up = Math.floor(y[row] / side);
    if (isTaken(row, across, up)) continue;
    cells.set(key(across, up), row);
    found.push(row);
  }
  return found;
}

/* Of rows in their order, the first so many within a box { west, east, south, north }. */
export function within(rows, x, y, { west, east, south, north }, most) {
  const found = [];
  for (const row of rows) {
    if (x[row] < west || x[row] > east || y[row] < south || y[row] > north) continue;
    found.push(row);
    if (found.length === most) break;
  }
  return found;
}

/* Whether a place is within a closed line of [x, y] corners: it crosses the line an odd number of times on its way out. */
export function isInside(line, x, y) {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
    const [ax, ay] = line[i], [bx, by] = line[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

export function span(values) {
  let least = Infinity, most = -Infinity;
  for (const value of values) { if (value < least) least = value; if (value > most) most = value; }
  return [least, most];
}

/* Every row once, far from its neighbours in the list: what comes first is a fair sample of all. */
export function spread(count) {
  let step = Math.max(1, Math.round(count * 0.618));
  while (common(step, count) > 1) step += 1;
  return Int32Array.from({ length: count }, (_, place) => (place * step) % count);
}

const common = (a, b) => (b ? common(b, a % b) : a);
