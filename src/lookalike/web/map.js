/* The embedding map: points and small pictures on a canvas, to move about in.
 *
 * drawMap(root, data, sheet) fills an element. It asks for nothing from anywhere and sets every text as text.
 *   data.x, data.y      [n] whole numbers, x to the right, y upwards
 *   data.names          [n] the pictures' names
 *   data.columns        what is known of them: { name, values, codes }, codes [n] into values; "" is not known
 *   data.order          [n] rows, in the order in which their pictures are tried for a place
 *   data.tiles          { count, side, across }: the first `count` rows of the order have a tile in the sheet
 *   sheet               an <img> of square tiles, row after row; null: points only
 */

const COLOURS = ["--plot-blue", "--plot-orange", "--plot-green", "--plot-purple"];
const MARKERS = ["circle", "square", "triangle", "diamond"];
const LOOKS = COLOURS.flatMap((colour) => MARKERS.map((marker) => ({ colour, marker })));
const UNKNOWN = { colour: "--plot-grid", marker: "circle" };
const MOST_LISTED = 200; // values that the legend lists; searching brings the others
const LARGE = 5000; // points: from here on they are drawn smaller
const STEP = 48; // pixels that an arrow key moves the map by
const REACH = 12; // pixels around a point that still mean it

export function drawMap(root, data, sheet) {
  const count = data.names.length;
  const tileOf = new Int32Array(count).fill(-1);
  if (sheet) data.order.slice(0, data.tiles.count).forEach((row, tile) => { tileOf[row] = tile; });
  const state = { column: 0, picked: new Set(), query: "", pictures: Boolean(sheet), chosen: -1, x: 0, y: 0, scale: 1, least: 1, width: 0, height: 0 };
  const stamps = new Map(), masksOf = new Map(), inks = new Map(); // made once, until the colours change
  let brought = null; // [n] 1 where a row is brought out by a pick or a search; null: all are
  let shapes = []; // how each value of the column looks
  let kept = { side: 0, rows: [] }; // pictures that have a place at this scale
  let waiting = false;

  const canvas = make("canvas", { className: "map-canvas", tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", `Map of ${count} pictures. Arrow keys move it, plus and minus zoom, 0 shows all, N and P go through the pictures.`);
  const card = make("div", { className: "map-card", hidden: true });
  card.setAttribute("role", "status"); // what is chosen is read out
  const view = make("div", { className: "map-view" }, canvas, card, zoomButtons());
  const legend = make("ul", { className: "map-legend" });
  const all = make("button", { type: "button", textContent: "show all labels", onclick: () => pick(null) });
  root.replaceChildren(view, make("aside", { className: "map-side" }, ...controls(), legend, all));
  const pen = canvas.getContext("2d");

  function controls() {
    const parts = [];
    const search = make("input", { type: "search", placeholder: "find a label or file", autocomplete: "off" });
    search.setAttribute("aria-label", "find a label or file");
    search.addEventListener("input", () => { state.query = search.value.trim().toLowerCase(); refresh(); });
    parts.push(search);
    if (data.columns.length > 1) {
      const choice = make("select", {}, ...data.columns.map((column) => make("option", { textContent: column.name })));
      choice.addEventListener("change", () => { state.column = choice.selectedIndex; pick(null); });
      parts.push(make("label", {}, "colour by ", choice));
    }
    if (sheet) {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => { state.pictures = box.checked; draw(); });
      parts.push(make("label", {}, box, " pictures"));
    }
    return parts;
  }

  function zoomButtons() {
    const button = (sign, name, action) => {
      const made = make("button", { type: "button", textContent: sign, title: name, onclick: action });
      made.setAttribute("aria-label", name);
      return made;
    };
    return make("div", { className: "map-zoom" }, button("+", "zoom in", () => zoom(1.5)), button("−", "zoom out", () => zoom(1 / 1.5)), button("□", "show all", fit));
  }

  /* Values: which of them are brought out, and how each looks. */

  const column = () => data.columns[state.column] ?? { name: "", values: [""], codes: new Uint8Array(count) };
  const isShown = (row) => !brought || brought[row] === 1;

  /* A search looks at everything that is known of a row, a pick at its value. */
  function bringOut() {
    if (!state.picked.size && !state.query) return null;
    const has = (text) => state.query !== "" && text.toLowerCase().includes(state.query);
    const found = data.columns.map(({ values, codes }) => ({ codes, hits: values.map(has) }));
    const { codes } = column();
    return Uint8Array.from(data.names, (name, row) => Number(
      state.picked.has(codes[row]) || has(name) || found.some((known) => known.hits[known.codes[row]])));
  }

  /* Up to 16 values each have a look; of more, those that are brought out, and one for all where that are many. */
  function looks() {
    const { values, codes } = column();
    const look = (place) => LOOKS[(place * 5) % LOOKS.length];
    if (values.length <= LOOKS.length) return values.map((value, code) => (value ? look(code) : UNKNOWN));
    const made = values.map(() => UNKNOWN), out = new Set(brought ? codes.filter((_, row) => brought[row]) : []);
    [...out].forEach((code, place) => { made[code] = out.size > LOOKS.length ? LOOKS[0] : look(place); });
    return made;
  }

  function pick(code) {
    if (code === null) state.picked.clear();
    else if (!state.picked.delete(code)) state.picked.add(code);
    refresh();
  }

  function refresh() {
    brought = bringOut();
    shapes = looks();
    kept.side = 0;
    const { values, codes } = column(), sizes = new Int32Array(values.length), out = new Set(state.picked);
    for (let row = 0; row < count; row += 1) { sizes[codes[row]] += 1; if (state.query && brought[row]) out.add(codes[row]); }
    const listed = values.map((_, code) => code).filter((code) => !state.query || out.has(code));
    const focused = document.activeElement?.dataset?.code;
    legend.replaceChildren(...listed.slice(0, MOST_LISTED).map((code) => entry(values[code], code, sizes[code], shapes[code])));
    if (listed.length > MOST_LISTED) legend.append(make("li", { className: "quiet", textContent: `and ${listed.length - MOST_LISTED} more: search for them` }));
    if (focused !== undefined) legend.querySelector(`[data-code="${focused}"]`)?.focus();
    all.hidden = !state.picked.size;
    draw();
  }

  function entry(value, code, size, look) {
    const swatch = make("canvas", { width: 24, height: 24 });
    swatch.getContext("2d").drawImage(stamp(look, 9), 0, 0, 24, 24);
    const button = make("button", { type: "button", onclick: () => pick(code) }, swatch, make("bdi", { textContent: value || "not known" }), make("span", { className: "quiet", textContent: String(size) }));
    button.setAttribute("aria-pressed", String(state.picked.has(code)));
    button.dataset.code = code;
    return make("li", {}, button);
  }

  /* Places: from the data to the screen. */

  const placeOf = (row) => [(data.x[row] - state.x) * state.scale + state.width / 2, (state.y - data.y[row]) * state.scale + state.height / 2];
  const inView = (x, y, edge) => x > -edge && y > -edge && x < state.width + edge && y < state.height + edge;
  const magnified = () => state.scale / state.least;
  const radius = () => (count > LARGE ? 2 : 3.5) * Math.min(2.5, Math.sqrt(magnified()));
  const pictureSide = () => Math.min(96, (state.width < 500 ? 34 : 44) * Math.min(3, Math.sqrt(magnified())));

  function measure() {
    Object.assign(state, { width: view.clientWidth, height: view.clientHeight });
    if (state.scale === state.least) fit(); // nobody has moved it yet
    else draw();
  }

  function fit() {
    const [left, right] = span(data.x), [bottom, top] = span(data.y), edge = 2 * 40;
    const wide = (state.width - edge) / (right - left || 1), high = (state.height - edge) / (top - bottom || 1);
    Object.assign(state, { x: (left + right) / 2, y: (bottom + top) / 2, scale: Math.max(Math.min(wide, high), 1e-9) });
    state.least = state.scale;
    draw();
  }

  function zoom(factor, x = state.width / 2, y = state.height / 2) {
    const scale = Math.min(Math.max(state.scale * factor, state.least / 2), state.least * 400);
    state.x += (x - state.width / 2) * (1 / state.scale - 1 / scale);
    state.y -= (y - state.height / 2) * (1 / state.scale - 1 / scale);
    state.scale = scale;
    draw();
  }

  function move(x, y) {
    state.x -= x / state.scale;
    state.y += y / state.scale;
    draw();
  }

  /* Rows whose pictures have a place, none over another: the same ones wherever the map is moved to. */
  function placed() {
    const side = pictureSide() * 1.08 / state.scale;
    if (kept.side === side) return kept.rows;
    const cells = new Map(), rows = [];
    for (const row of data.order.slice(0, data.tiles.count)) {
      if (!isShown(row)) continue;
      const across = Math.floor(data.x[row] / side), up = Math.floor(data.y[row] / side);
      if (crowded(cells, row, across, up, side)) continue;
      cells.set(`${across},${up}`, row);
      rows.push(row);
    }
    kept = { side, rows };
    return rows;
  }

  function crowded(cells, row, across, up, side) {
    for (let i = across - 1; i <= across + 1; i += 1) {
      for (let j = up - 1; j <= up + 1; j += 1) {
        const other = cells.get(`${i},${j}`);
        if (other !== undefined && Math.abs(data.x[other] - data.x[row]) < side && Math.abs(data.y[other] - data.y[row]) < side) return true;
      }
    }
    return false;
  }

  /* Drawing. */

  function css(name) {
    if (!inks.has(name)) inks.set(name, getComputedStyle(root).getPropertyValue(name).trim());
    return inks.get(name);
  }

  function stamp(look, size) {
    const ratio = devicePixelRatio || 1, key = `${look.colour} ${look.marker} ${size} ${ratio}`;
    if (!stamps.has(key)) stamps.set(key, drawnMarker(look.marker, css(look.colour), size, ratio));
    return stamps.get(key);
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function paint() {
    const ratio = devicePixelRatio || 1, { width, height } = state;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (canvas.width && canvas.height) paintPoints();
    if (state.pictures) placed().forEach(paintPicture);
    if (state.chosen >= 0) paintChosen();
    placeCard();
  }

  /* Points are set pixel by pixel: twenty thousand take a few milliseconds, wherever the browser draws. */
  function paintPoints() {
    const ground = pen.createImageData(canvas.width, canvas.height), ratio = canvas.width / state.width;
    const pixels = new Uint32Array(ground.data.buffer), size = Math.round(radius() * 2) / 2, { codes } = column();
    const masks = shapes.map((look) => maskOf(look, size));
    const passes = brought ? [[(row) => !isShown(row), 0.18], [isShown, 0.75]] : [[isShown, 0.75]];
    for (const [wanted, strength] of passes) {
      for (let row = 0; row < count; row += 1) {
        const [x, y] = placeOf(row);
        if (wanted(row) && inView(x, y, size)) setPixels(pixels, canvas, masks[codes[row]], Math.round(x * ratio), Math.round(y * ratio), strength);
      }
    }
    pen.putImageData(ground, 0, 0);
  }

  /* The pixels of a marker around its middle, as a stamp of it has them. */
  function maskOf(look, size) {
    const drawn = stamp(look, size), key = `${look.colour} ${look.marker} ${size} ${drawn.width}`;
    if (!masksOf.has(key)) {
      const { data: rgba, width } = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height), set = [];
      for (let i = 0; i < rgba.length; i += 4) {
        if (rgba[i + 3]) set.push([(i / 4) % width - (width >> 1), Math.floor(i / 4 / width) - (width >> 1), rgba[i + 3], rgba[i] | (rgba[i + 1] << 8) | (rgba[i + 2] << 16)]);
      }
      masksOf.set(key, set);
    }
    return masksOf.get(key);
  }

  function paintPicture(row) {
    const side = pictureSide(), [x, y] = placeOf(row);
    if (!inView(x, y, side)) return;
    paintTile(pen, row, x - side / 2, y - side / 2, side);
    pen.strokeStyle = css(shapes[column().codes[row]].colour);
    pen.lineWidth = 1.5;
    pen.strokeRect(x - side / 2, y - side / 2, side, side);
  }

  function paintTile(where, row, x, y, side) {
    const { side: own, across } = data.tiles, tile = tileOf[row];
    where.drawImage(sheet, (tile % across) * own, Math.floor(tile / across) * own, own, own, x, y, side, side);
  }

  /* The chosen picture, and the others of its value. */
  function paintChosen() {
    const { codes, values } = column(), code = codes[state.chosen];
    pen.strokeStyle = css("--query");
    pen.lineWidth = 1.5;
    for (let row = 0; row < count; row += 1) {
      if (row !== state.chosen && (codes[row] !== code || !values[code] || values.length < 2)) continue;
      const [x, y] = placeOf(row);
      pen.beginPath();
      pen.arc(x, y, radius() + (row === state.chosen ? 5 : 2.5), 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  /* What is under the pointer, and the card that tells of it. */

  function rowAt(x, y) {
    const half = pictureSide() / 2;
    const over = ([left, top]) => Math.abs(left - x) <= half && Math.abs(top - y) <= half;
    const shown = state.pictures ? placed().find((row) => over(placeOf(row))) : undefined;
    if (shown !== undefined) return shown;
    let nearest = -1, least = REACH ** 2;
    for (let row = 0; row < count; row += 1) {
      if (!isShown(row)) continue;
      const [left, top] = placeOf(row), gap = (left - x) ** 2 + (top - y) ** 2;
      if (gap <= least) [nearest, least] = [row, gap];
    }
    return nearest;
  }

  function choose(row) {
    if (row === state.chosen) return;
    state.chosen = row;
    card.hidden = row < 0;
    if (row >= 0) card.replaceChildren(...facts(row));
    draw();
  }

  function facts(row) {
    const known = data.columns.map(({ name, values, codes }) => [name, values[codes[row]]]).filter(([, value]) => value);
    const parts = known.map(([name, value], place) => (place ? make("p", {}, `${name}: `, make("bdi", { textContent: value })) : make("p", {}, make("strong", {}, make("bdi", { textContent: value })))));
    parts.push(make("p", { className: "quiet" }, make("bdi", { textContent: data.names[row] })));
    if (tileOf[row] < 0) return parts;
    const side = data.tiles.side, picture = make("canvas", { width: side, height: side });
    paintTile(picture.getContext("2d"), row, 0, 0, side);
    return [picture, ...parts];
  }

  function placeCard() {
    if (state.chosen < 0) return;
    const [x, y] = placeOf(state.chosen), gap = 14;
    const left = x + gap + card.offsetWidth > state.width ? x - gap - card.offsetWidth : x + gap;
    const top = y + gap + card.offsetHeight > state.height ? y - gap - card.offsetHeight : y + gap;
    card.style.left = `${Math.max(4, Math.min(left, state.width - card.offsetWidth - 4))}px`;
    card.style.top = `${Math.max(4, Math.min(top, state.height - card.offsetHeight - 4))}px`;
  }

  function stepThrough(by) {
    const rows = data.order.filter(isShown);
    if (!rows.length) return;
    const place = rows.indexOf(state.chosen);
    const next = rows[(place + by + rows.length + (place < 0 && by < 0 ? 1 : 0)) % rows.length];
    const [x, y] = placeOf(next);
    if (!inView(x, y, 0)) Object.assign(state, { x: data.x[next], y: data.y[next] });
    choose(next);
  }

  const keys = {
    ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0), ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
    n: () => stepThrough(1), p: () => stepThrough(-1), Escape: () => choose(-1),
  };
  canvas.addEventListener("keydown", (event) => {
    const action = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
  }, { passive: false });
  followPointers(canvas, { move, zoom, point: (x, y) => choose(rowAt(x, y)) });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") choose(-1); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { [stamps, masksOf, inks].forEach((made) => made.clear()); refresh(); });
  new ResizeObserver(measure).observe(view);
  sheet?.decode().then(draw, draw);
  refresh();
  measure();
  return { placeOf, choose, fit, zoom, move };
}

/* One pointer moves, two zoom, a tap or a hovering mouse points. */
function followPointers(canvas, { move, zoom, point }) {
  const down = new Map();
  let moved = 0;
  const spread = () => { const [a, b] = [...down.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId), now = [event.offsetX, event.offsetY];
    if (!before) { if (event.pointerType === "mouse") point(...now); return; }
    const wide = down.size === 2 ? spread() : 0;
    down.set(event.pointerId, now);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    move((now[0] - before[0]) / down.size, (now[1] - before[1]) / down.size);
    if (wide) { const [a, b] = [...down.values()]; zoom(spread() / wide, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2); }
  });
  const end = (event) => {
    if (down.delete(event.pointerId) && event.type === "pointerup" && moved < 6) point(event.offsetX, event.offsetY);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

function drawnMarker(marker, colour, size, ratio) {
  const side = 2 * (size + 1), canvas = make("canvas", { width: Math.ceil(side * ratio), height: Math.ceil(side * ratio) });
  const pen = canvas.getContext("2d"), middle = size + 1;
  pen.scale(canvas.width / side, canvas.height / side);
  pen.fillStyle = colour;
  const corners = { square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]], triangle: [[0, -1], [1, 0.8], [-1, 0.8]], diamond: [[0, -1.1], [1.1, 0], [0, 1.1], [-1.1, 0]] }[marker];
  pen.beginPath();
  if (corners) corners.forEach(([x, y]) => pen.lineTo(middle + x * size, middle + y * size));
  else pen.arc(middle, middle, size, 0, 2 * Math.PI);
  pen.fill();
  return canvas;
}

/* Where markers overlap, the stronger pixel stays. */
function setPixels(pixels, { width, height }, mask, middleX, middleY, strength) {
  for (const [right, down, alpha, colour] of mask) {
    const x = middleX + right, y = middleY + down;
    if (x < 0 || y < 0 || x >= width || y >= height) continue;
    const strong = Math.round(alpha * strength), place = y * width + x;
    if (strong >= pixels[place] >>> 24) pixels[place] = ((strong << 24) | colour) >>> 0;
  }
}

function span(values) {
  let least = Infinity, most = -Infinity;
  for (const value of values) { least = Math.min(least, value); most = Math.max(most, value); }
  return [least, most];
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
