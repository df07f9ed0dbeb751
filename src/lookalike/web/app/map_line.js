/* A line drawn around pictures on the map: corners in the data's places, so that it stays where it is meant. */

import { isInside, span } from "./map_places.js";

export function createLine({ toData, toScreen }) {
  let corners = null;

  return {
    isDrawn: () => corners !== null,
    start(left, top) { corners = [toData(left, top)]; },
    extend(left, top) { corners.push(toData(left, top)); },
    drop() { corners = null; },

    /* Rows of those wanted within the line. */
    rows(x, y, isWanted) {
      const [west, east] = span(corners.map(([right]) => right)), [south, north] = span(corners.map(([, up]) => up)), found = [];
      if (corners.length < 3) return found;
      for (let row = 0; row < x.length; row += 1) {
        if (x[row] >= west && x[row] <= east && y[row] >= south && y[row] <= north && isWanted(row) && isInside(corners, x[row], y[row])) found.push(row);
      }
      return found;
    },

    paint(pen, colour) {
      pen.beginPath();
      corners.forEach((corner) => pen.lineTo(...toScreen(...corner)));
      pen.closePath();
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = 2;
      pen.stroke();
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
    },
  };
}
