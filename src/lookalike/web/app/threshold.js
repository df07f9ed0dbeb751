/* Threshold: all labelled pairs over their similarity, a line that decides, and what it does as it moves.
 *
 * Counts are worked out here at once; the exact figures with their intervals, the promise and the pairs at the boundary
 * come from the server, of the newest place only.
 */

import { isOutdated } from "./api.js";
import { createCounts, filled } from "./boundary.js";
import { button, count, field, fillAbove, make, state } from "./elements.js";
import { createHistogram } from "./histogram.js";
import { segments } from "./segments.js";
import { createFigures, spoken } from "./threshold_figures.js";
import { createPairs } from "./threshold_pairs.js";
import { createSaved } from "./threshold_saved.js";

const PAUSE = 160; // milliseconds of rest before the server is asked
const PAIRS = 8; // on each side of the boundary
const UNLABELLED = "no_pairs"; // the server's code: labels tell no pairs

export const mount = (root, app) => new ThresholdView(root, app);

class ThresholdView {
  #app; #histogram; #figures; #pairs; #saved; #moving;
  #basis = make("p", { className: "quiet" });
  #place = make("div"); // of what stands instead, while there is nothing to show
  #body = make("div", { className: "threshold-body", hidden: true });
  #data = null; // pairs counted in bins
  #counts = null;
  #named = [];
  #similarity = 0;
  #wanted = null; // by the address
  #timer = 0;
  #scrolled = 0;

  constructor(root, app) {
    const move = (similarity) => this.#move(similarity);
    this.#app = app;
    this.#histogram = createHistogram({ moved: (similarity) => move(this.#nearest(similarity)) });
    this.#figures = createFigures();
    this.#pairs = createPairs(app.api);
    this.#saved = createSaved({ go: move, save: (name) => this.#save(name), remove: (name) => this.#remove(name), undo: (saved) => this.#undo(saved) }, { writable: app.info.writable });
    this.#moving = createMoving({ to: move, toBin: (bin) => move(this.#edge(bin)), by: (step) => this.#step(step), stay: () => this.#similarity });
    root.append(make("header", {}, make("h1", { textContent: "Threshold" }), this.#basis), this.#place, this.#body, this.#saved.dialog);
    this.#body.append(
      make("section", { className: "threshold-chart", "aria-label": "All pairs" },
        make("div", { className: "threshold-tools" }, legend(), segments("histogram-scale", "Scale of the counts", [["log", "Logarithm"], ["root", "Square root"]], this.#histogram.scale)),
        this.#histogram.element, this.#moving.slider, this.#moving.typed),
      make("div", { className: "threshold-said" }, this.#figures.element, this.#saved.element), this.#pairs.element);
  }

  show(parameters) {
    this.#wanted = placeOf(parameters.get("at"));
    return this.#data ? this.#again().catch(this.#app.fail) : this.#load();
  }

  hide() {
    clearTimeout(this.#timer);
    this.#scrolled = scrollY;
  }

  /* Bins: edges of which the line can stand at. */

  #edge(bin) { return this.#data.bins[bin] ?? 1; }

  #nearest(value) {
    const after = Math.min(this.#counts.firstBin(value), this.#data.bins.length - 1), before = Math.max(after - 1, 0);
    return value - this.#edge(before) < this.#edge(after) - value ? this.#edge(before) : this.#edge(after);
  }

  #step(by) {
    const bin = this.#counts.firstBin(this.#similarity) + by;
    this.#move(this.#edge(Math.min(Math.max(bin, 0), this.#data.bins.length - 1)));
  }

  /* Moving: everything that is known here is shown at once; what the server knows follows when the line rests. */

  #move(to) {
    this.#similarity = to;
    this.#moving.show(to, this.#counts.firstBin(to));
    this.#histogram.move(to);
    this.#tell(this.#counts.at(to));
    this.#pairs.fade();
    clearTimeout(this.#timer);
    this.#app.api.giveUp("boundary");
    this.#timer = setTimeout(() => this.#rest(), PAUSE);
  }

  /* What is read out are the figures that are seen. */
  #tell(figures, intervals = null) {
    const { same, different } = this.#data, words = spoken(this.#similarity, figures);
    this.#figures.show(figures, intervals);
    this.#moving.tell(words);
    this.#histogram.tell(`Histogram of ${count(same, "same pair")} and ${count(different, "different pair")} by similarity. Threshold ${words}`);
  }

  /* The line rests: the address says where, and the server is asked. */
  async #rest() {
    const similarity = this.#similarity;
    history.replaceState(null, "", `#threshold?${new URLSearchParams({ at: String(similarity) })}`);
    try {
      const answer = await this.#app.api.get("/v1/boundary/at", { similarity, count: PAIRS }, { latest: "boundary" });
      if (similarity !== this.#similarity) return;
      this.#tell(answer.figures, answer.intervals);
      this.#moving.promise(this.#promiseAt(similarity) ?? answer.promise);
      this.#pairs.show(answer);
    } catch (error) {
      if (!isOutdated(error)) this.#app.fail(error);
    }
  }

  /* Of a named threshold that stands here, if one does. */
  #promiseAt(similarity) {
    const found = this.#named.find((each) => each.similarity === similarity);
    return found && `${found.name}: its promise is in the list of named thresholds.`;
  }

  /* Named thresholds. */

  #save(name) {
    return this.#change(async () => {
      const isNew = !this.#named.some((each) => each.name === name);
      const { similarity } = await this.#app.api.put(pathOf(name), { similarity: this.#similarity });
      return [`Saved as ${name}.`, isNew ? null : { name, similarity }];
    });
  }

  /* Only what was saved here: another one may have saved since. */
  #undo({ name, similarity }) {
    return this.#change(async () => {
      await this.#app.api.post(`${pathOf(name)}/undo?saved=${similarity}`);
      return [`Put back: ${name}.`];
    });
  }

  #remove(name) {
    return this.#change(async () => {
      await this.#app.api.remove(pathOf(name));
      return [`Removed: ${name}.`];
    });
  }

  /* What was done is told once the list shows it. */
  async #change(act) {
    this.#saved.busy(true);
    try {
      const told = await act();
      await this.#app.refreshInfo();
      await this.#list();
      this.#saved.done(...told);
    } catch (error) {
      this.#app.fail(error);
    } finally {
      this.#saved.busy(false);
    }
  }

  async #list() {
    this.#named = namedOf(await this.#app.api.get("/v1/thresholds"));
    this.#saved.show(this.#named);
    this.#histogram.mark(this.#named);
  }

  /* Fetching the pairs. */

  async #load() {
    this.#place.replaceChildren(make("p", { className: "quiet", role: "status", textContent: "Comparing the labelled pictures, each with every other…" }));
    try {
      this.#data = await this.#app.api.get("/v1/boundary");
      this.#counts = createCounts(this.#data);
      await this.#list();
      this.#begin(this.#wanted ?? usualOf(this.#named)?.similarity ?? bestOf(this.#data, this.#counts));
    } catch (error) {
      this.#data = null;
      this.#place.replaceChildren(isOutdated(error) ? "" : state(error.message, error.hint, this.#wayOn(error)));
    }
  }

  /* Where labels are missing, asking again does not bring them. */
  #wayOn({ code }) {
    if (code !== UNLABELLED) return button("Try again", () => this.#load(), { className: "primary" });
    if (this.#app.info.writable) return button("Add pictures with a label", () => this.#app.add(), { className: "primary" });
    return make("code", { textContent: "lookalike index INDEX labelled.csv" });
  }

  /* Shown once more: the pairs are compared anew where the index changed. */
  async #again() {
    await this.#app.refreshInfo();
    if (this.#app.info.generation !== this.#data.generation) return this.#load();
    await this.#list();
    this.#move(this.#wanted ?? this.#similarity);
    if (this.#scrolled) scrollTo(0, this.#scrolled); // back from a pair
    this.#scrolled = 0;
    return null;
  }

  #begin(similarity) {
    const range = filled(this.#data);
    this.#place.replaceChildren();
    this.#basis.textContent = basisOf(this.#data);
    this.#body.hidden = false;
    this.#moving.range(range);
    this.#histogram.show(this.#data, range);
    this.#move(similarity);
  }
}

/* What moves the line beside the histogram itself, and what it promises where it is. hands: { to(similarity), toBin(bin),
 * by(steps), stay() }, which gives where it is. */
function createMoving(hands) {
  const slider = make("input", { type: "range", step: "1", className: "threshold-slider above", "aria-label": "Threshold", oninput: () => hands.toBin(Number(slider.value)) });
  const number = make("input", { type: "number", step: "0.001", min: "-1", max: "1", className: "threshold-number", onchange: () => typed() });
  const promise = make("p", { className: "promise", "aria-live": "polite" });
  const steps = [["−", -1, "Lower by one step"], ["+", 1, "Raise by one step"]].map(([sign, by, name]) => make("button", { type: "button", className: "square", textContent: sign, "aria-label": name, onclick: () => hands.by(by) }));

  function typed() {
    const value = Number(number.value.replace(",", "."));
    if (number.value === "" || !Number.isFinite(value)) number.value = hands.stay().toFixed(4);
    else hands.to(Math.min(Math.max(value, -1), 1));
  }

  return {
    slider,
    typed: make("div", { className: "threshold-typed" }, field("Threshold", number), make("div", { className: "row" }, ...steps), promise),
    range: ({ first, last }) => Object.assign(slider, { min: String(first), max: String(last + 1) }),
    show(similarity, bin) {
      slider.value = String(bin);
      fillAbove(slider);
      number.value = similarity.toFixed(4);
      promise.classList.add("is-old");
    },
    tell: (words) => slider.setAttribute("aria-valuetext", words),
    promise(text) {
      promise.textContent = text;
      promise.classList.remove("is-old");
    },
  };
}

const pathOf = (name) => `/v1/thresholds/${encodeURIComponent(name)}`;
const usualOf = (named) => named.find(({ name }) => name === "default") ?? named[0];

/* A similarity of the address; null where it says none. */
function placeOf(text) {
  const value = Number(text);
  return text && Math.abs(value) <= 1 ? value : null;
}

function legend() {
  const entry = (kind, words) => make("li", {}, make("span", { className: `legend-sign ${kind}`, "aria-hidden": "true" }), words);
  return make("ul", { className: "legend" }, entry("same", "same pairs"), entry("different", "different pairs"), entry("match", "match"));
}

/* Where the balance of precision and recall is best: a place to begin for a model without a threshold. */
function bestOf({ bins }, counts) {
  return bins.reduce((best, each) => (counts.at(each).f1 > counts.at(best).f1 ? each : best), bins[0]);
}

function basisOf({ images, classes, same, different, sampled, of, seen }) {
  const drawn = sampled ? ` They were drawn from ${of.toLocaleString("en")}, whole labels at a time.` : "";
  const flatters = seen ? ` The model was trained on ${seen.toLocaleString("en")} of them: this flatters.` : "";
  return `${count(same, "same pair")} and ${count(different, "different pair")} of ${count(images, "picture")} with ${count(classes, "label")}.${drawn}${flatters}`;
}

const namedOf = ({ thresholds }) => Object.entries(thresholds).map(([name, each]) => ({ name, ...each }));
