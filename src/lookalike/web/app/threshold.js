/* Threshold: all labelled pairs over their similarity, a line that decides, and what it does as it moves.
 *
 * Counts are worked out here at once; the exact figures with their intervals, the promise and the pairs at the boundary
 * come from the server, of the newest place only.
 */

import { isOutdated } from "./api.js";
import { createCounts, filled } from "./boundary.js";
import { button, count, field, make, state } from "./elements.js";
import { createHistogram } from "./histogram.js";
import { segments } from "./segments.js";
import { createFigures, spoken } from "./threshold_figures.js";
import { createPairs } from "./threshold_pairs.js";
import { createSaved } from "./threshold_saved.js";

const PAUSE = 160; // milliseconds of rest before the server is asked
const PAIRS = 8; // on each side of the boundary

export function mount(root, app) {
  const histogram = createHistogram({ moved: (similarity) => move(nearest(similarity)) });
  const figures = createFigures(), pairs = createPairs(app.api), saved = createSaved({ go: move, save, remove, undo }, { writable: app.info.writable });
  const slider = make("input", { type: "range", step: "1", className: "threshold-slider", "aria-label": "Threshold", oninput: () => move(edge(Number(slider.value))) });
  const number = make("input", { type: "number", step: "0.001", min: "-1", max: "1", className: "threshold-number", onchange: () => typed() });
  const promise = make("p", { className: "promise", "aria-live": "polite" }), basis = make("p", { className: "quiet" });
  const body = make("div", { className: "threshold-body", hidden: true }), place = make("div");
  let data = null, counts = null, range = null, named = [], similarity = 0, timer = 0, wanted = null, scrolled = 0;

  root.append(make("header", {}, make("h1", { textContent: "Threshold" }), basis), place, body, saved.dialog);
  body.append(
    make("section", { className: "threshold-chart", "aria-label": "All pairs" },
      make("div", { className: "threshold-tools" }, legend(), segments("histogram-scale", "Scale of the counts", [["log", "Logarithm"], ["root", "Square root"]], histogram.scale)),
      histogram.element, slider,
      make("div", { className: "threshold-typed" }, field("Threshold", number), make("div", { className: "row" }, ...[["−", -1, "Lower by one step"], ["+", 1, "Raise by one step"]].map(stepButton)), promise)),
    make("div", { className: "threshold-said" }, figures.element, saved.element), pairs.element);

  const edge = (bin) => data.bins[bin] ?? 1;

  function nearest(value) {
    const after = Math.min(counts.firstBin(value), data.bins.length - 1), before = Math.max(after - 1, 0);
    return value - edge(before) < edge(after) - value ? edge(before) : edge(after);
  }

  function stepButton([sign, by, name]) {
    return make("button", { type: "button", className: "square", textContent: sign, "aria-label": name, onclick: () => {
      const bin = counts.firstBin(similarity);
      move(edge(Math.min(Math.max(bin + by, 0), data.bins.length - 1)));
    } });
  }

  function typed() {
    const value = Number(number.value.replace(",", "."));
    if (number.value === "" || !Number.isFinite(value)) number.value = similarity.toFixed(4);
    else move(Math.min(Math.max(value, -1), 1));
  }

  /* Everything that is known here is shown at once; what the server knows follows when the line rests. */
  function move(to) {
    similarity = to;
    const found = counts.at(to);
    slider.value = String(counts.firstBin(to));
    slider.setAttribute("aria-valuetext", spoken(to, found));
    number.value = to.toFixed(4);
    histogram.move(to);
    histogram.tell(`Histogram of ${count(data.same, "same pair")} and ${count(data.different, "different pair")} by similarity. Threshold ${spoken(to, found)}`);
    figures.show(found);
    pairs.fade();
    promise.classList.add("is-old");
    clearTimeout(timer);
    app.api.giveUp("boundary");
    timer = setTimeout(rest, PAUSE);
  }

  /* The line rests: the address says where, and the server is asked. */
  function rest() {
    history.replaceState(null, "", `#threshold?${new URLSearchParams({ at: String(similarity) })}`);
    return ask();
  }

  async function ask() {
    const asked = similarity;
    try {
      const answer = await app.api.get("/v1/boundary/at", { similarity: asked, count: PAIRS }, { latest: "boundary" });
      if (asked !== similarity) return;
      figures.show(answer.figures, answer.intervals);
      promise.textContent = promiseAt(asked) ?? answer.promise;
      promise.classList.remove("is-old");
      pairs.show(answer);
    } catch (error) {
      if (!isOutdated(error)) app.fail(error);
    }
  }

  /* Of a named threshold that stands here, if one does. */
  function promiseAt(place) {
    const found = named.find((each) => each.similarity === place);
    return found && `${found.name}: ${found.promise}`;
  }

  const pathOf = (name) => `/v1/thresholds/${encodeURIComponent(name)}`;

  function save(name) {
    return change(async () => {
      const isNew = !named.some((each) => each.name === name);
      const answer = await app.api.put(pathOf(name), { similarity });
      app.say(`Saved as ${name}: ${answer.promise}`);
      return [`Saved as ${name}.`, isNew ? null : name];
    });
  }

  function undo(name) {
    return change(async () => {
      const answer = await app.api.post(`${pathOf(name)}/undo`);
      return [`Put back, ${name}: ${answer.promise}`];
    });
  }

  function remove(name) {
    return change(async () => {
      await app.api.remove(pathOf(name));
      return [`Removed: ${name}.`];
    });
  }

  /* What was done is told once the list shows it. */
  async function change(act) {
    saved.busy(true);
    try {
      const told = await act();
      app.info = await app.api.get("/v1/info");
      await list();
      saved.done(...told);
    } catch (error) {
      app.fail(error);
    } finally {
      saved.busy(false);
    }
  }

  async function list() {
    named = namedOf(await app.api.get("/v1/thresholds"));
    saved.show(named);
    histogram.mark(named);
  }

  async function load() {
    place.replaceChildren(make("p", { className: "quiet", role: "status", textContent: "Comparing the labelled pictures, each with every other…" }));
    try {
      data = await app.api.get("/v1/boundary");
      counts = createCounts(data);
      range = filled(data);
      await list();
      begin(wanted ?? (named.find((each) => each.name === "default") ?? named[0])?.similarity ?? bestOf(data, counts));
    } catch (error) {
      data = null;
      place.replaceChildren(isOutdated(error) ? "" : emptyState(error));
    }
  }

  /* Shown once more: the pairs are compared anew where the index changed. */
  async function again() {
    app.info = await app.api.get("/v1/info");
    if (app.info.generation !== data.generation) return load();
    await list();
    move(wanted ?? similarity);
    if (scrolled) scrollTo(0, scrolled); // back from a pair
    scrolled = 0;
    return null;
  }

  function begin(start) {
    place.replaceChildren();
    basis.textContent = basisOf(data);
    body.hidden = false;
    slider.min = String(range.first);
    slider.max = String(range.last + 1);
    histogram.show(data, range);
    move(start);
  }

  function emptyState(error) {
    return state(error.message, error.hint, button("Try again", load, { className: "primary" }));
  }

  return {
    show: (parameters) => {
      wanted = placeOf(parameters.get("at"));
      return data ? again().catch(app.fail) : load();
    },
    hide: () => {
      clearTimeout(timer);
      scrolled = scrollY;
    },
  };
}

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
