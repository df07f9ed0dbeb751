/* Small pictures of the collection for the map, asked for when they are to be seen; only the latest are kept. */

const SIDE = 128;
const MOST_KEPT = 600; // 40 MB at most
const MOST_AT_ONCE = 6; // requests
const MOST_WAITING = 150; // what was wanted longest ago is not fetched any more

export function lazyPictures(api, ids, { missed }) {
  const kept = new Map(), waiting = new Map(), failed = new Set(); // rows; a Map remembers the order
  let running = 0, redraw = () => {};

  function fetchNext() {
    while (running < MOST_AT_ONCE && waiting.size) {
      const row = [...waiting.keys()].at(-1); // wanted last, so most likely still in view
      waiting.delete(row);
      running += 1;
      fetchOne(row).catch(() => { failed.add(row); missed(); }).finally(() => { running -= 1; fetchNext(); });
    }
  }

  async function fetchOne(row) {
    const image = new Image();
    image.src = api.thumb(ids[row], SIDE);
    await image.decode();
    kept.set(row, image);
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
    redraw();
  }

  function want(row) {
    if (failed.has(row)) return;
    waiting.delete(row);
    waiting.set(row, true);
    if (waiting.size > MOST_WAITING) waiting.delete(waiting.keys().next().value);
    queueMicrotask(fetchNext);
  }

  return {
    side: SIDE,
    has: () => true,
    paint(pen, row, x, y, side) {
      const image = kept.get(row);
      if (!image) { want(row); return false; }
      kept.delete(row);
      kept.set(row, image);
      paintWhole(pen, image, x, y, side);
      return true;
    },
    /* What did not come may come now. */
    retry: () => {
      if (!failed.size) return;
      failed.clear();
      redraw();
    },
    whenReady: (draw) => { redraw = draw; },
  };
}

/* On white, in its own proportions. */
function paintWhole(pen, image, x, y, side) {
  const { naturalWidth: width, naturalHeight: height } = image, scale = side / Math.max(width, height, 1);
  pen.fillStyle = "#ffffff";
  pen.fillRect(x, y, side, side);
  pen.drawImage(image, x + (side - width * scale) / 2, y + (side - height * scale) / 2, width * scale, height * scale);
}
