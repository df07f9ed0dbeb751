/* Adding pictures to the collection, where the server was started to be written to: a dialog over whatever view is open.
 *
 * Pictures are chosen, given a label or none, and sent a few at a time. Closing the dialog ends nothing: the sending
 * goes on, and what came of it is there when the dialog is opened again.
 */

import { createChosen } from "./adding_chosen.js";
import { createRun } from "./adding_run.js";
import { createTold } from "./adding_told.js";
import { filesOf } from "./dropping.js";
import { button, count, field, iconButton, make, sentence } from "./elements.js";
import { createLabels } from "./labels.js";

const LONGEST_LABEL = 255;

/* app.changed() follows what was added. */
export function createAdding(app) {
  const chosen = createChosen({ changed: offer }), label = createLabel(app), course = createCourse();
  const told = createTold(app.api, { left: () => element.close() });
  const add = button("Add", null, { type: "submit", className: "primary" }), stop = button("Stop", () => { run.isStopped = true; }, { hidden: true });
  const form = make("form", { className: "adding-form", onsubmit: (event) => { event.preventDefault(); begin(); } }, chosen.element, label.element,
    make("p", { className: "quiet small", textContent: "The server copies them into a folder beside its index. Your own files are not touched." }),
    make("p", { className: "row" }, add, stop));
  const element = make("dialog", { className: "adding", "aria-labelledby": "adding-title" },
    make("header", {}, make("h2", { id: "adding-title", textContent: "Add to the collection" }), iconButton("close", "Close", () => element.close())), form, course.element, told.element);
  let run = null, isSending = false;

  element.dataset.drops = "";
  takeDrops(element, (files) => { if (!isSending) chosen.take(files); });

  /* What the buttons do now. */
  function offer() {
    const more = chosen.files().length, all = more + (run?.left() ?? 0);
    add.lastElementChild.textContent = all ? `${more ? "Add" : "Go on with"} ${count(all, "picture")}` : "Add";
    add.disabled = !all;
    add.hidden = isSending;
    stop.hidden = !isSending;
    chosen.element.hidden = isSending;
    label.lock(isSending);
  }

  async function begin() {
    const files = chosen.files();
    if (isSending || !(files.length || run?.left())) return;
    if (files.length) run = createRun([...(run?.rest() ?? []), ...files], { api: app.api, limits: app.info.limits, step: show });
    chosen.forget();
    isSending = true;
    offer();
    show(run);
    stop.focus();
    await send();
    isSending = false;
    if (!run.left()) label.clear(); // the next ones may show something else
    offer();
    if (element.open) (run.left() ? add : chosen).focus();
    else app.say(summary(run));
  }

  async function send() {
    const before = run.added.length;
    try {
      await run.send(label.value());
      course.end(run);
    } catch (error) {
      course.fail(error, run);
    }
    if (run.added.length > before) await app.changed().catch(app.fail);
  }

  function show(now) {
    course.show(now);
    told.show(now);
  }

  /* Opened with pictures, or to choose some; what is under way is shown as it is. */
  function open(files = []) {
    if (!isSending) {
      if (run && !run.left()) {
        run = null;
        course.clear();
        told.clear();
      }
      if (files.length) chosen.take(files);
      offer();
    }
    if (!element.open) element.showModal();
  }

  return { element, open };
}

/* How far it is, and why it does not go on. */
function createCourse() {
  const bar = make("progress", { "aria-label": "Pictures that were dealt with" }), words = make("p", { role: "status" });
  const fault = make("p", { className: "fault", role: "alert" }), element = make("div", { className: "adding-course", hidden: true }, bar, words, fault);

  function show(run) {
    element.hidden = false;
    bar.hidden = false;
    Object.assign(bar, { max: run.total, value: run.total - run.left() });
    words.textContent = `Adding: ${(run.total - run.left()).toLocaleString("en")} of ${count(run.total, "picture")}`;
    fault.textContent = "";
  }

  function end(run) {
    bar.hidden = !run.left();
    words.textContent = summary(run);
  }

  function fail(error, run) {
    end(run);
    fault.textContent = `${sentence(error.message)} ${sentence(error.hint)}`.trim();
    if (!error.code) console.error(error);
  }

  return { element, show, end, fail, clear: () => { element.hidden = true; } };
}

/* What came of it, in a sentence. */
function summary(run) {
  const parts = [[run.added, "added"], [run.known, "known already"], [run.unused, "could not be used"]].filter(([entries]) => entries.length);
  const said = parts.map(([entries, words]) => `${entries.length.toLocaleString("en")} ${words}`).join(", ") || "Nothing was added";
  return run.left() ? `${said}. ${count(run.left(), "picture")} not sent yet.` : `${said}.`;
}

function createLabel(app) {
  const { options, suggest } = createLabels(app.api, "labels-to-give"), ask = () => suggest(input.value.trim()).catch(app.fail);
  const input = make("input", { type: "text", list: options.id, autocomplete: "off", maxLength: LONGEST_LABEL, placeholder: "none", oninput: ask, onfocus: ask });
  const element = make("div", {}, field("Label of all of them, if they show one thing", input), options);
  return { element, value: () => input.value.trim(), clear: () => { input.value = ""; }, lock: (is) => { input.disabled = is; } };
}

function takeDrops(element, take) {
  element.addEventListener("dragover", (event) => event.preventDefault());
  for (const [kind, key] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
    element.addEventListener(kind, (event) => {
      const files = kind === "drop" ? filesOf(event[key]) : [...event[key].files];
      if (kind === "drop" || files.length) event.preventDefault();
      take(files);
    });
  }
}
