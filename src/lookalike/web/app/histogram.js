/* Same and different pairs over their similarity, drawn as SVG; the threshold is a line that can be dragged.
 *
 * Counts enter; elements leave. Lines differ in colour and in dashes. Few counts stand beside very many, so heights are
 * logarithms or square roots of them, as the axis says.
 */

const DRAWING = "http://www.w3.org/2000/svg";
const HEIGHT = 300;
const MARGIN = { left: 52, right: 10, top: 30, bottom: 34 };
const LETTER = 7; // pixels that a letter of a name takes, at most mostly
const LONGEST_NAME = 24; // letters of a name that is drawn
const COLUMN = 4; // pixels of one step, at least
const SCALES = {
  log: { of: (count) => Math.log10(1 + count), ticks: (most) => [0, ...powers(most)], words: "logarithmic scale" },
  root: { of: Math.sqrt, ticks: (most) => [0, rounded(most / 16), rounded(most / 4), rounded(most)], words: "square-root scale" },
};

/* moved(similarity) is called while the line is dragged. */
export function createHistogram({ moved }) {
  const element = draw("svg", { class: "histogram", role: "img" });
  const frame = document.createElement("div");
  frame.className = "histogram-frame";
  frame.append(element);
  const state = { data: null, range: null, scale: "log", similarity: 0, marks: [], width: 0 };
  let parts = null; // what moves with the threshold

  new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === state.width) return;
    state.width = Math.round(contentRect.width);
    drawAll();
  }).observe(frame);

  const inner = () => state.width - MARGIN.left - MARGIN.right;
  const low = () => state.data.bins[state.range.first], high = () => edgeAfter(state.data.bins, state.range.last);
  const x = (similarity) => MARGIN.left + ((similarity - low()) / (high() - low())) * inner();

  function drawAll() {
    if (!state.data || state.width < 120) return;
    const columns = columnsOf(state.data, state.range, Math.max(1, Math.floor(inner() / COLUMN)));
    const scale = SCALES[state.scale], most = Math.max(1, ...columns.map((column) => Math.max(column.same, column.different)));
    const bottom = HEIGHT - MARGIN.bottom, y = (count) => bottom - (scale.of(count) / scale.of(most)) * (bottom - MARGIN.top);
    element.setAttribute("viewBox", `0 0 ${state.width} ${HEIGHT}`);
    element.setAttribute("height", HEIGHT);
    parts = threshold(bottom);
    element.replaceChildren(parts.area, ...rows(scale.ticks(most), y, state.width), ...alongs(x, low(), high(), bottom, inner()),
      area(columns, "different", x, y, bottom), area(columns, "same", x, y, bottom), ...marksOf(state.marks.filter((mark) => mark.similarity >= low() && mark.similarity <= high()), x, state.width - MARGIN.right, bottom),
      parts.line, text(MARGIN.left, 14, `pairs in each step of ${step(columns)}, ${scale.words}`, "start"));
    place();
  }

  function place() {
    if (!parts) return;
    const at = Math.min(Math.max(x(state.similarity), MARGIN.left), state.width - MARGIN.right);
    parts.line.setAttribute("transform", `translate(${at} 0)`);
    parts.area.setAttribute("x", at);
    parts.area.setAttribute("width", state.width - MARGIN.right - at);
  }

  function drag(event) {
    const box = element.getBoundingClientRect(), share = (event.clientX - box.left - MARGIN.left) / inner();
    moved(low() + Math.min(Math.max(share, 0), 1) * (high() - low()));
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !state.data) return;
    element.setPointerCapture(event.pointerId);
    drag(event);
  });
  element.addEventListener("pointermove", (event) => { if (element.hasPointerCapture(event.pointerId)) drag(event); });

  return {
    element: frame,
    show(data, range) { Object.assign(state, { data, range }); drawAll(); },
    scale(name) { state.scale = name; drawAll(); },
    mark(marks) { state.marks = marks; drawAll(); },
    move(similarity) { state.similarity = similarity; place(); },
    tell(words) { element.setAttribute("aria-label", words); },
  };
}

function threshold(bottom) {
  const area = draw("rect", { class: "match-area", y: MARGIN.top, height: bottom - MARGIN.top });
  const line = draw("g", { class: "threshold-line" }, draw("line", { y1: MARGIN.top - 8, y2: bottom }), draw("circle", { cy: MARGIN.top - 8, r: 5 }));
  return { area, line };
}

/* Several bins make one column where there is no room for each. */
function columnsOf({ bins, same_counts: same, different_counts: different }, { first, last }, most) {
  const together = Math.max(1, Math.ceil((last - first + 1) / most)), columns = [];
  for (let start = first; start <= last; start += together) {
    const end = Math.min(start + together, last + 1);
    const sum = (counts) => counts.slice(start, end).reduce((all, count) => all + count, 0);
    columns.push({ from: bins[start], to: edgeAfter(bins, end - 1), same: sum(same), different: sum(different) });
  }
  return columns;
}

const edgeAfter = (bins, bin) => bins[bin + 1] ?? 1;

function area(columns, kind, x, y, bottom) {
  const steps = columns.map((column) => `L${x(column.from).toFixed(1)} ${y(column[kind]).toFixed(1)}H${x(column.to).toFixed(1)}`).join("");
  const path = `M${x(columns[0].from).toFixed(1)} ${bottom}${steps}V${bottom}Z`;
  return draw("path", { class: `pairs-${kind}`, d: path });
}

function rows(ticks, y, width) {
  return [...new Set(ticks)].flatMap((count) => [
    draw("line", { class: "level", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(count), y2: y(count) }),
    text(MARGIN.left - 8, y(count) + 4, shortCount(count), "end"),
  ]);
}

function alongs(x, low, high, bottom, width) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((each) => ((high - low) / each) * 56 <= width) ?? 0.5, made = [];
  for (let place = Math.ceil(low / step); place * step <= high; place += 1) {
    const value = place * step;
    made.push(draw("line", { class: "tick", x1: x(value), x2: x(value), y1: bottom, y2: bottom + 5 }), text(x(value), bottom + 19, value.toFixed(step < 0.1 ? 2 : 1), "middle"));
  }
  return made;
}

/* Names stand right of their line, left of it where the edge is near, and a row lower where another one stands. */
function marksOf(marks, x, right, bottom) {
  const rows = []; // of names: spans that are taken
  return [...marks].sort((one, other) => one.similarity - other.similarity).map(({ name, similarity }) => {
    const at = x(similarity), words = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name, wide = words.length * LETTER + 8;
    const isLeft = at + wide > right, [from, to] = isLeft ? [at - wide, at] : [at, at + wide];
    let row = rows.findIndex((spans) => spans.every((span) => to <= span[0] || from >= span[1]));
    if (row < 0) row = rows.push([]) - 1;
    rows[row].push([from, to]);
    return draw("g", { class: "saved-mark" }, draw("line", { x1: at, x2: at, y1: MARGIN.top, y2: bottom }),
      text(at + (isLeft ? -4 : 4), MARGIN.top + 11 + 15 * row, words, isLeft ? "end" : "start"));
  });
}

const step = (columns) => (columns[0].to - columns[0].from).toPrecision(2).replace(/0+$/, "");
const shortCount = (count) => (count >= 1e6 ? `${count / 1e6} M` : count >= 1e4 ? `${count / 1e3} k` : count.toLocaleString("en"));

function powers(most) {
  const found = [];
  for (let power = 1; power <= most; power *= 10) found.push(power);
  return found;
}

function rounded(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.max(1, Math.floor(value / unit)) * unit;
}

function text(x, y, content, anchor) {
  const made = draw("text", { x, y, "text-anchor": anchor });
  made.textContent = content;
  return made;
}

function draw(tag, attributes, ...children) {
  const made = document.createElementNS(DRAWING, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}
