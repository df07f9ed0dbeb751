/* Several panes that are looked at through one lens: what zooms or moves one of them does it to all.
 *
 * Elements enter, transforms are set on their layers. What the layers show, and how it is fitted into a pane, is not
 * known here: places are shares of a pane, so pictures of different sizes stay together.
 */

const MOST = 32;
const STEP = 1.5;
const MOVE = 0.12; // of what is seen, that an arrow key moves by
const PIXELS = 4; // on the screen for one of the picture, from which on its pixels are shown as squares
const KEYS = {
  ArrowLeft: (lens) => lens.move(-MOVE, 0),
  ArrowRight: (lens) => lens.move(MOVE, 0),
  ArrowUp: (lens) => lens.move(0, -MOVE),
  ArrowDown: (lens) => lens.move(0, MOVE),
  "+": (lens) => lens.zoom(STEP),
  "=": (lens) => lens.zoom(STEP),
  "-": (lens) => lens.zoom(1 / STEP),
  0: (lens) => lens.fit(),
};

/* changed(scale) is called after every change. */
export function createLens(changed = () => {}) {
  const panes = new Map(); // pane to its layer
  const seen = { scale: 1, x: 0.5, y: 0.5 }; // x, y: the place of the picture that is in the middle

  function show() {
    const half = 0.5 / seen.scale;
    seen.x = Math.min(Math.max(seen.x, half), 1 - half);
    seen.y = Math.min(Math.max(seen.y, half), 1 - half);
    for (const [pane, layer] of panes) {
      const shift = (place) => `${((0.5 - place * seen.scale) * 100).toFixed(4)}%`;
      layer.style.transform = `translate(${shift(seen.x)}, ${shift(seen.y)}) scale(${seen.scale})`;
      layer.classList.toggle("is-close", isClose(pane, layer, seen.scale));
      pane.classList.toggle("is-zoomed", seen.scale > 1);
    }
    changed(seen.scale);
  }

  const own = {
    seen,
    show,
    fit() {
      Object.assign(seen, { scale: 1, x: 0.5, y: 0.5 });
      show();
    },
    /* At a place of the pane, in shares of it: what lies there stays there. */
    zoom(factor, x = 0.5, y = 0.5) {
      const scale = Math.min(Math.max(seen.scale * factor, 1), MOST);
      seen.x += (x - 0.5) * (1 / seen.scale - 1 / scale);
      seen.y += (y - 0.5) * (1 / seen.scale - 1 / scale);
      seen.scale = scale;
      show();
    },
    /* By shares of what is seen. */
    move(x, y) {
      seen.x += x / seen.scale;
      seen.y += y / seen.scale;
      show();
    },
    add(pane, layer) {
      panes.set(pane, layer);
      watch(pane, own);
    },
  };
  return own;
}

function isClose(pane, layer, scale) {
  const picture = layer.querySelector("img, canvas");
  const across = picture?.naturalWidth ?? picture?.width, down = picture?.naturalHeight ?? picture?.height;
  if (!across || !down) return false;
  return Math.min(pane.clientWidth / across, pane.clientHeight / down) * scale >= PIXELS;
}

function watch(pane, lens) {
  pane.addEventListener("wheel", (event) => {
    if (event.deltaY >= 0 && lens.seen.scale === 1) return; // nothing to zoom out of: the page scrolls
    event.preventDefault();
    lens.zoom(Math.exp(-0.0022 * pixelsOf(event)), ...placeOf(pane, event));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => {
    if (lens.seen.scale >= 8) lens.fit();
    else lens.zoom(2, ...placeOf(pane, event));
  });
  pane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key](lens);
  });
  watchFingers(pane, lens);
}

/* One pointer moves, two of them also zoom. */
function watchFingers(pane, lens) {
  const fingers = new Map(); // pointer to its place
  const lift = (event) => {
    fingers.delete(event.pointerId);
    pane.classList.toggle("is-held", fingers.size > 0);
  };
  pane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button, a, input")) return;
    if (lens.seen.scale > 1) pane.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeOf(pane, event));
    pane.classList.add("is-held");
  });
  pane.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = spanOf([...fingers.values()]);
    fingers.set(event.pointerId, placeOf(pane, event));
    const after = spanOf([...fingers.values()]);
    lens.move(before.x - after.x, before.y - after.y);
    if (fingers.size > 1 && before.width > 0) lens.zoom(after.width / before.width, after.x, after.y);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "pointerleave"]) pane.addEventListener(end, lift);
}

function spanOf(places) {
  const [first, last] = [places[0], places.at(-1)];
  return { x: (first[0] + last[0]) / 2, y: (first[1] + last[1]) / 2, width: Math.hypot(first[0] - last[0], first[1] - last[1]) };
}

function placeOf(pane, event) {
  const box = pane.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

/* Wheels count in pixels, lines or pages. */
function pixelsOf(event) {
  const most = 240; // a turn of some mice says thousands
  return Math.min(Math.max(event.deltaY * [1, 18, 240][event.deltaMode], -most), most);
}
