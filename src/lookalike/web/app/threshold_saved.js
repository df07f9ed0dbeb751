/* The model's named thresholds: what each promises, going to one, and saving another. */

import { button, field, make } from "./elements.js";

/* acts: { go(similarity), save(name) } */
export function createSaved(acts, { writable }) {
  const list = make("ul", { className: "saved" }), none = make("p", { className: "quiet", textContent: "The model has none yet." });
  const name = make("input", { value: "default", required: true, maxLength: 60, autocomplete: "off", spellcheck: false, oninput: () => word() });
  const save = button("Save", null, { type: "submit", className: "primary" });
  const form = make("form", { className: "save-threshold", onsubmit: (event) => {
    event.preventDefault();
    acts.save(name.value.trim());
  } }, field("Save this threshold as", name), save);
  const element = make("section", { className: "named", "aria-label": "Named thresholds" }, make("h2", { textContent: "Named thresholds" }), list, none, writable ? form : readOnly());
  let names = [];

  function word() {
    const replaces = names.includes(name.value.trim());
    save.lastElementChild.textContent = replaces ? `Replace “${name.value.trim()}”` : "Save";
  }

  function show(thresholds) {
    names = thresholds.map((each) => each.name);
    none.hidden = names.length > 0;
    list.replaceChildren(...thresholds.map((each) => rowOf(each, acts)));
    word();
  }

  return { element, show, busy: (is) => { save.disabled = is; } };
}

function rowOf({ name, similarity, promise }, acts) {
  return make("li", {}, make("div", { className: "saved-head" }, make("strong", {}, make("bdi", { textContent: name })), make("span", { className: "number", textContent: similarity.toFixed(4) }),
    button("Go there", () => acts.go(similarity), { className: "plain", "aria-label": `Go to ${name}` })), make("p", { className: "quiet small", textContent: promise }));
}

function readOnly() {
  return make("div", { className: "missing small" },
    make("p", { textContent: "To save thresholds from here, start the server so that it may write:" }),
    make("p", {}, make("code", { textContent: "lookalike serve INDEX --writable" })));
}
