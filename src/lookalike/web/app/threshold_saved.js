/* The model's named thresholds: what each promises, going to one, and saving another. */

import { button, field, make } from "./elements.js";

const BY_HAND = "by hand";

/* acts: { go(similarity), save(name), remove(name), undo(saved) }. What promises something is replaced once that is confirmed. */
export function createSaved(acts, { writable }) {
  const list = make("ul", { className: "saved" }), none = make("p", { className: "quiet", textContent: "The model has none yet." });
  const name = make("input", { value: "default", required: true, maxLength: 60, autocomplete: "off", spellcheck: false, oninput: () => word() });
  const save = button("Save", null, { type: "submit", className: "primary" });
  const form = make("form", { className: "save-threshold", onsubmit: (event) => {
    event.preventDefault();
    const wanted = name.value.trim(), before = thresholds.find((each) => each.name === wanted);
    if (before && before.target !== BY_HAND) asking.ask(before, () => acts.save(wanted));
    else acts.save(wanted);
  } }, field("Save this threshold as", name), save, make("p", { className: "quiet small" }, "It is stored in the model: every index of this model and ", make("code", { textContent: "lookalike match" }), " follow."));
  const told = make("span"), undo = button("Undo", null, { className: "plain", hidden: true }), asking = createAsking();
  const done = make("p", { className: "saved-done small", role: "status" }, told, undo);
  const element = make("section", { className: "named", "aria-label": "Named thresholds" }, make("h2", { textContent: "Named thresholds" }), list, none, writable ? form : readOnly(), done);
  let thresholds = [];

  function word() {
    const replaces = thresholds.some((each) => each.name === name.value.trim());
    save.lastElementChild.textContent = replaces ? `Replace “${name.value.trim()}”` : "Save";
  }

  function show(found) {
    thresholds = found;
    none.hidden = thresholds.length > 0;
    list.replaceChildren(...thresholds.map((each) => rowOf(each, acts, { writable })));
    word();
  }

  /* What happened; with what was saved over another, that can be put back. */
  function tell(text, saved = null) {
    told.textContent = text;
    undo.hidden = !saved;
    undo.onclick = () => acts.undo(saved);
  }

  return { element, dialog: asking.element, show, done: tell, busy: (is) => { save.disabled = is; } };
}

/* Before something that promises is replaced by what promises nothing. */
function createAsking() {
  const text = make("p"), lost = make("p", { className: "missing" }), title = make("h2");
  const replace = button("Replace it", null, { className: "primary" });
  const element = make("dialog", { className: "replacing", "aria-label": "Replace a threshold" }, make("header", {}, title), text, lost,
    make("p", { className: "row" }, button("Leave it", () => element.close()), replace));

  function ask({ name, promise }, act) {
    title.textContent = `Replace “${name}”?`;
    text.textContent = "It was calibrated, not set by hand. What is lost:";
    lost.textContent = `${promise}.`;
    replace.onclick = () => {
      element.close();
      act();
    };
    element.showModal();
  }

  return { element, ask };
}

function rowOf({ name, similarity, promise, target }, acts, { writable }) {
  const remove = writable && target === BY_HAND ? button("Remove", () => acts.remove(name), { className: "plain", "aria-label": `Remove ${name}` }) : null;
  return make("li", {}, make("div", { className: "saved-head" }, make("strong", {}, make("bdi", { textContent: name })), make("span", { className: "number", textContent: similarity.toFixed(4) }),
    button("Go there", () => acts.go(similarity), { className: "plain", "aria-label": `Go to ${name}` }), remove), make("p", { className: "quiet small", textContent: promise }));
}

function readOnly() {
  return make("div", { className: "missing small" },
    make("p", { textContent: "To save thresholds from here, start the server so that it may write:" }),
    make("p", {}, make("code", { textContent: "lookalike serve INDEX --writable" })));
}
