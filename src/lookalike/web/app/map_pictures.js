/* The small pictures of a written page: square tiles in one sheet, row after row.
 *
 * What a map draws pictures with has { side, has(row), paint(pen, row, x, y, side), whenReady(draw) }; paint says
 * whether the picture was there to be drawn.
 */

/* sheet: an <img>; null: points only. tiles: { count, side, across }; the first `count` rows of the order have one. */
export function sheetPictures({ order, tiles }, sheet) {
  if (!sheet) return null;
  const tileOf = new Map(order.slice(0, tiles.count).map((row, tile) => [row, tile]));
  return {
    side: tiles.side,
    has: (row) => tileOf.has(row),
    paint(pen, row, x, y, side) {
      const tile = tileOf.get(row), own = tiles.side;
      pen.drawImage(sheet, (tile % tiles.across) * own, Math.floor(tile / tiles.across) * own, own, own, x, y, side, side);
      return true;
    },
    whenReady: (draw) => sheet.decode().then(draw, draw),
  };
}
