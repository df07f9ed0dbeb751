/* What a threshold does, in figures: the four counts and the shares that follow from them. */

import { make } from "./elements.js";
import { percent } from "./tiles.js";

const CELLS = {
  right_matches: ["right", "✓", "called the same, and are"],
  wrong_matches: ["wrong", "✗", "called the same, but are different"],
  missed_matches: ["wrong", "✗", "called different, but are the same"],
  right_rejections: ["right", "✓", "called different, and are"],
};
const SHARES = {
  precision: ["Precision", "of what matches, this share is right"],
  recall: ["Recall", "of the same pairs, this share matches"],
  false_match_rate: ["False-match rate", "of the different pairs, this share matches"],
};

export function createFigures() {
  const cells = new Map(), shares = new Map();
  const cell = (name) => {
    const [kind, sign, words] = CELLS[name], number = make("strong", { className: "cell-count" });
    cells.set(name, number);
    return make("td", { className: `cell ${kind}`, "data-figure": name },
      make("span", { className: "cell-head" }, make("span", { className: "sign", textContent: sign, "aria-hidden": "true" }), number),
      make("span", { className: "quiet small", textContent: words }));
  };
  const row = (title, ...names) => make("tr", {}, make("th", { scope: "row", textContent: title }), ...names.map(cell));
  const table = make("table", { className: "confusion" }, make("caption", { className: "unseen", textContent: "How many pairs are told right and wrong" }),
    make("thead", {}, make("tr", {}, make("td", {}), make("th", { scope: "col", textContent: "match" }), make("th", { scope: "col", textContent: "no match" }))),
    make("tbody", {}, row("same", "right_matches", "missed_matches"), row("different", "wrong_matches", "right_rejections")));
  const list = make("dl", { className: "shares" }, ...Object.entries(SHARES).map(([name, [title, words]]) => {
    const value = make("strong"), range = make("span", { className: "quiet small" });
    shares.set(name, { value, range });
    return make("div", { "data-figure": name }, make("dt", { textContent: title }), make("dd", {}, value, range), make("dd", { className: "quiet small", textContent: words }));
  }));

  /* intervals: name to [low, high]; without them they are being asked for. */
  function show(figures, intervals = null) {
    for (const [name, number] of cells) number.textContent = figures[name].toLocaleString("en");
    for (const [name, { value, range }] of shares) {
      value.textContent = shownShare(name, figures);
      value.dataset.value = String(figures[name]);
      const between = intervals?.[name];
      range.textContent = between ? rangeOf(...between) : "";
    }
  }

  return { element: make("div", { className: "figures" }, table, list), show };
}

/* Nothing where both ends read the same: where none was seen, drawing again sees none either. */
function rangeOf(low, high) {
  const [from, to] = [shareOf(low), shareOf(high)];
  return from === to ? "" : ` (95% interval ${from} to ${to})`;
}

/* What stands for a share; where nothing matches there is nothing to be precise about. */
const shownShare = (name, figures) => (name === "precision" && figures.right_matches + figures.wrong_matches === 0 ? "nothing matches" : shareOf(figures[name]));

/* Rates of false matches are small, and each digit of them counts. */
export function shareOf(share) {
  if (share === 0 || share === 1) return share ? "100%" : "0%";
  if (share < 1e-5) return "< 0.001%";
  if (share < 0.01) return `${(100 * share).toPrecision(2)}%`;
  return percent(share);
}

/* What is shown, as one sentence. */
export const spoken = (similarity, figures) => `${similarity.toFixed(4)}: ${Object.entries(SHARES).map(([name, [title]]) => `${title.toLowerCase()} ${shownShare(name, figures)}`).join(", ")}`;
