/* What the model says of two pictures, why, and what a person says: asked of the server, told in words. */

import { isOutdated } from "./api.js";
import { similarityOf } from "./compare_similarity.js";
import { button, field, make } from "./elements.js";
import { RISK, dayOf } from "./review_words.js";
import { calledAs, offersChoice, thresholdOf } from "./thresholds.js";
import { percent } from "./tiles.js";

const DECIDED = { same: "duplicates", different: "not duplicates", "keep-both": "duplicates, and both are to stay" };

/* Two sides { id | file } as a request: uploads go along as files, ids as they are. */
export function requestOf(sides, further = {}) {
  const files = sides.filter((side) => side.file).map((side) => side.file);
  const name = (side) => (side.file ? { upload: files.indexOf(side.file) } : { id: side.id });
  const ask = { a: name(sides[0]), b: name(sides[1]), ...further };
  if (!files.length) return { ask, body: null };
  const body = new FormData();
  for (const file of new Set(files)) body.append("picture", file);
  body.append("ask", JSON.stringify(ask));
  return { ask, body };
}

export function createVerdict(app) {
  const choice = make("select", { onchange: () => judge() }), chosen = field("Threshold", choice);
  const said = make("div", { className: "judged", role: "status", "aria-live": "polite" });
  const decision = createDecision(app), why = createWhy(app);
  const element = make("section", { className: "compare-verdict", "aria-label": "Verdict", hidden: true }, said, chosen, decision.element, why.start);
  let sides = null;

  const ask = (path, further) => {
    const { ask: asked, body } = requestOf(sides, further);
    const latest = { latest: path };
    return body ? app.api.send(path, body, latest) : app.api.post(path, asked, latest);
  };

  async function judge() {
    const both = sides;
    said.replaceChildren(make("p", { className: "quiet", textContent: "Comparing…" }));
    try {
      const parts = choice.value ? verdictParts(await ask("/v1/match", { threshold: choice.value }), app.info.thresholds) : bareParts(await similarityOf(app.api, both));
      if (both === sides) said.replaceChildren(...parts);
    } catch (error) {
      if (!isOutdated(error) && both === sides) said.replaceChildren(...troubleParts(error));
    }
  }

  /* One may have been saved meanwhile. */
  function offer() {
    const { thresholds } = app.info, before = thresholdOf(Object.hasOwn(thresholds, choice.value) ? choice.value : "", thresholds);
    choice.replaceChildren(...Object.keys(thresholds).map((name) => make("option", { value: name, textContent: name, selected: name === before })));
    chosen.hidden = !offersChoice(thresholds);
  }

  function show(both) {
    sides = both;
    element.hidden = !both;
    if (!both) return;
    offer();
    judge();
    decision.show(both);
    why.show(() => ask("/v1/explain", {}));
  }

  return { element, why: why.element, show };
}

function verdictParts(found, thresholds) {
  const { similarity, match, probability, band, threshold } = found;
  const parts = [
    make("p", { className: `judged-word ${match ? "right" : "wrong"}`, textContent: match ? "Match" : "No match" }),
    make("p", { className: "judged-figures", textContent: sentenceOf(found, thresholds) }),
    scaleOf(similarity, threshold.similarity, match),
    make("p", { className: "quiet small", textContent: `The threshold: ${threshold.promise}.` }),
  ];
  if (band) parts.push(make("p", { className: "small", textContent: `On the model's scale this is called “${band}”.` }));
  const share = typeof probability === "number" && found.prior;
  if (share) parts.push(make("p", { className: "quiet small", textContent: `The probability holds where ${percent(share)} of the pairs that are asked about are the same.` }));
  return parts;
}

function bareParts(similarity) {
  const said = similarity === null ? "Too far apart to be found by a search." : `Similarity ${similarity.toFixed(3)}.`;
  return [make("p", { className: "judged-figures", textContent: said }),
    make("p", { className: "quiet" }, "The model has no threshold yet, so this is no verdict. ",
      make("a", { href: "#threshold", textContent: "Choose one by looking" }), ", or type ", make("code", { textContent: "lookalike calibrate MODEL DATA" }))];
}

function sentenceOf({ similarity, match, probability, threshold }, thresholds) {
  const chance = typeof probability === "number" ? ` Probability that they are the same: ${percent(probability)}.` : "";
  const side = `${match ? "at or above" : "below"} the threshold ${threshold.similarity.toFixed(3)} (${calledAs(threshold.name, thresholds)})`;
  return `Similarity ${similarity.toFixed(3)}, ${side}.${chance}`;
}

/* A line from 0 (or the lowest of the three) to 1 with the threshold and the pair on it. */
function scaleOf(similarity, threshold, match) {
  const least = Math.min(0, similarity, threshold), place = (value) => `${(100 * (value - least)) / (1 - least)}%`;
  const above = make("span", { className: "line-above" }), mark = make("span", { className: "line-mark" });
  const dot = make("span", { className: `line-dot ${match ? "right" : "wrong"}` });
  above.style.left = place(threshold);
  mark.style.left = place(threshold);
  dot.style.left = place(similarity);
  return make("div", { className: "line", "aria-hidden": "true" }, above, mark, dot,
    make("span", { className: "line-end", textContent: least === 0 ? "0" : least.toFixed(1) }), make("span", { className: "line-end last", textContent: "1" }));
}

function troubleParts(error) {
  return [make("p", { className: "judged-figures", textContent: error.message }), error.hint ? make("p", { className: "quiet", textContent: error.hint }) : null].filter(Boolean);
}

/* Decisions are of pictures of the index: a file that was dropped is not kept. */
function createDecision(app) {
  const told = make("p", { className: "quiet", role: "status" });
  const undo = button("Undo", () => take(before ?? "forget", { isUndo: true }), { className: "plain", hidden: true });
  const back = button("Take back", () => take("forget", { isUndo: true }), { className: "plain", hidden: true });
  const buttons = [button("Duplicates", () => take("same"), { sign: "tick" }), button("Not duplicates", () => take("different"), { sign: "cross" })];
  const element = make("div", { className: "compare-decision" }, make("h3", { textContent: "Are they duplicates of each other?" }), make("p", { className: "quiet small", textContent: `This is not about what they show: of two duplicates, ${RISK}.` }), make("div", { className: "row" }, ...buttons, undo, back), told);
  let pair = null, before = null;

  /* What was decided before is asked for, so that it can be taken back after any time. */
  async function recall(asked) {
    try {
      const { decisions: [found] } = await app.api.get("/v1/decisions", asked, { latest: "decided" });
      if (asked === pair) mark(found?.verdict ?? null, found?.made);
    } catch (error) {
      if (!isOutdated(error)) app.fail(error);
    }
  }

  function mark(verdict, made) {
    for (const [place, name] of ["same", "different"].entries()) buttons[place].setAttribute("aria-pressed", String(verdict === name));
    back.hidden = !verdict;
    if (verdict && made) told.textContent = `You said on ${dayOf(made)}: they are ${DECIDED[verdict]}.`;
  }

  async function take(verdict, { isUndo = false } = {}) {
    const asked = pair;
    try {
      const answer = await app.api.post("/v1/decisions", { ...asked, verdict });
      if (asked !== pair) return;
      before = answer.before;
      undo.hidden = isUndo;
      mark(verdict === "forget" ? null : verdict);
      back.hidden ||= !isUndo; // undoing says it already
      told.textContent = verdict === "forget" ? "Nothing is decided of the two." : `Kept: they are ${DECIDED[verdict]}${verdict === "same" ? `, and ${RISK}` : ""}.`;
      if (isUndo) buttons[0].focus();
    } catch (error) {
      app.fail(error);
    }
  }

  function show([a, b]) {
    pair = a.id && b.id && a.id !== b.id ? { a: a.id, b: b.id } : null;
    element.hidden = !pair;
    undo.hidden = true;
    told.textContent = "";
    mark(null);
    if (pair) recall(pair);
  }

  return { element, show };
}

function createWhy(app) {
  const image = make("img", { className: "why-map", hidden: true, alt: "Both pictures, and below them what each place adds to the similarity (orange) or takes from it (striped blue)" });
  const told = make("p", { className: "quiet", role: "status" });
  const start = button("Show where they are alike", () => draw(), { hidden: !app.info.explains });
  const element = make("section", { className: "compare-why", "aria-label": "Why", hidden: true }, make("h2", { textContent: "Where they are alike" }), told, image);
  let ask = null;

  async function draw() {
    element.hidden = false;
    told.textContent = "Drawing, this can take some seconds…";
    start.disabled = true;
    try {
      const picture = await ask();
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(picture);
      image.hidden = false;
      start.hidden = true;
      told.textContent = "";
      element.scrollIntoView({ block: "nearest" });
    } catch (error) {
      element.hidden = true;
      app.fail(error);
    } finally {
      start.disabled = false;
    }
  }

  function show(asking) {
    ask = asking;
    image.hidden = true;
    element.hidden = true;
    start.hidden = !app.info.explains;
  }

  return { element, start, show };
}
