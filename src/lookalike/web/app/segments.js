/* One of several choices, as buttons in a row; arrow keys go from one to the next, as in any group of radio buttons. */

import { make } from "./elements.js";

/* choices: [value, text]; the first is chosen unless another is named. chosen(value) is called when it changes. */
export function segments(name, title, choices, chosen, first = choices[0][0]) {
  const inputs = choices.map(([value, text]) => make("label", { className: "segment" },
    make("input", { type: "radio", name, value, checked: value === first, onchange: () => chosen(value) }), make("span", { textContent: text })));
  return make("fieldset", { className: "segments" }, make("legend", { className: "unseen", textContent: title }), ...inputs);
}
