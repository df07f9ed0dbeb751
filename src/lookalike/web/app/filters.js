/* What an answer has to be, and has to reach: a panel beside the pictures. change(what) is called with what is new. */

import { createFolders } from "./folders.js";
import { button, fillAbove, field, make, sentence } from "./elements.js";
import { createLabels } from "./labels.js";
import { isJudged } from "./question.js";
import { judgeOf, offersChoice } from "./thresholds.js";

export function createFilters(app, change) {
  const { api, fail } = app;
  const { options, suggest } = createLabels(api, "labels");
  const label = make("input", { type: "search", list: "labels", autocomplete: "off", placeholder: "any" });
  const none = make("p", { className: "quiet small", role: "status" }); // where nothing can be suggested
  const where = make("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: "label = 'cat'", "aria-describedby": "where-fault" });
  const fault = make("p", { className: "fault", id: "where-fault", role: "alert", hidden: true });
  const folders = createFolders(api, (folder) => change({ folder }), fail);
  const threshold = make("select"), thresholds = field("Threshold", threshold);
  const lowest = slider("Similarity at least", (value) => value.toFixed(2), (value) => change({ lowest: value }));
  const probability = slider("Probability at least", (value) => `${Math.round(100 * value)}%`, (value) => change({ probability: value }), 0.99);
  const collapse = make("input", { type: "checkbox", onchange: () => change({ collapse: collapse.checked }) });
  const judging = make("fieldset", { className: "filter-group", hidden: true }, make("legend", { className: "unseen", textContent: "What answers reach" }),
    thresholds, probability.element, lowest.element,
    make("label", { className: "check" }, collapse, "one answer for all its copies"));
  const panel = make("div", { className: "filters-body", id: "filters-body" }, judging,
    make("fieldset", { className: "filter-group" }, make("legend", { className: "unseen", textContent: "What answers are" }),
      make("div", {}, field("Label", label), none), options,
      make("div", {}, field("Filter", where), fault)),
    make("section", { className: "filter-group", "aria-label": "Folders" }, make("p", { className: "field-name", "aria-hidden": "true", textContent: "Folder" }), folders.element));
  const opener = button("Filter", () => toggle(panel.classList.toggle("open")), { className: "filters-open", "aria-expanded": "false", "aria-controls": "filters-body" });

  threshold.onchange = () => change({ threshold: threshold.value });
  label.addEventListener("input", (event) => {
    const isTyped = event.inputType && event.inputType !== "insertReplacementText";
    if (isTyped) offerLabels();
    else change({ label: label.value.trim() }); // a suggestion was taken, or all of it removed
  });
  label.addEventListener("focus", offerLabels); // there may be others meanwhile
  label.addEventListener("change", () => change({ label: label.value.trim() }));
  where.addEventListener("change", () => change({ where: where.value.trim() }));

  function toggle(isOpen) {
    opener.setAttribute("aria-expanded", String(isOpen));
  }

  function offerLabels() {
    suggest(label.value).then((found) => { none.textContent = found ? "" : "No label begins so. Capitals count."; }, fail);
  }

  /* As the model has them now: they can be saved while this page is open. */
  function offerThresholds(question) {
    const judge = judgeOf("", app.info.thresholds);
    threshold.replaceChildren(...(judge ? [] : [new Option("no verdicts", "")]), ...Object.entries(app.info.thresholds).map(([name, { similarity }]) => new Option(`${name} (${similarity.toFixed(4)})`, name)));
    threshold.value = judgeOf(question.threshold, app.info.thresholds);
  }

  return {
    element: make("aside", { className: "filters", "aria-label": "What is shown" }, opener, panel),
    show(question, { asked }) {
      label.value = question.label;
      none.textContent = "";
      where.value = question.where;
      offerThresholds(question);
      lowest.set(question.lowest);
      probability.set(question.probability);
      collapse.checked = question.collapse;
      judging.hidden = !asked;
      thresholds.hidden = !isJudged(question) || !offersChoice(app.info.thresholds);
      probability.element.hidden = !isJudged(question) || !app.info.probabilities || !judgeOf(question.threshold, app.info.thresholds);
      this.blame(null);
      folders.show(question.folder, app.info.generation).catch(fail);
    },
    /* The filter's own fault, where it was written; null: it has none. */
    blame(error) {
      fault.hidden = !error;
      fault.textContent = error ? `${sentence(error.message)} ${sentence(error.hint)}` : "";
      where.setAttribute("aria-invalid", String(Boolean(error)));
      if (error) toggle(panel.classList.toggle("open", true));
    },
  };
}

/* From 0, where nothing is asked for, up to the most. */
function slider(name, spelt, take, most = 1) {
  const input = make("input", { type: "range", className: "above", "aria-label": name, min: "0", max: String(most), step: "0.01", value: "0" });
  const shown = make("output", { className: "quiet", textContent: "any" });
  const tell = () => {
    shown.textContent = Number(input.value) ? spelt(Number(input.value)) : "any";
    input.setAttribute("aria-valuetext", shown.textContent);
    fillAbove(input);
  };
  input.addEventListener("input", tell);
  input.addEventListener("change", () => take(Number(input.value) || null));
  const element = make("div", { className: "field slider" }, make("span", { className: "field-name", "aria-hidden": "true" }, name, shown), input);
  return { element, set: (value) => { input.value = value ?? 0; tell(); } };
}
