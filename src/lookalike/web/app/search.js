/* The search view: drop, paste or choose a picture, or click one of the collection; then ask on from the answers.
 *
 * What is asked is in the address, and nowhere else: every change goes there first, and comes back by show().
 */

import { createAnswers } from "./answers.js";
import { createAskingBar } from "./asking_bar.js";
import { button, icon, make } from "./elements.js";
import { createFilters } from "./filters.js";
import { addressOf, asksFor, readQuestion } from "./question.js";

const NO_FILTERS = { label: "", where: "", folder: "", lowest: null, probability: null };

export function mount(root, app) {
  let question = readQuestion(new URLSearchParams()), isAdding = false, isHidden = false, scrolled = 0;
  let answeredAs = ""; // what verdicts and filters depend on, as it was when the question was asked
  const known = new Map(); // id to what the server says of it, asked for once

  addEventListener("scroll", () => { if (!root.hidden) scrolled = scrollY; }, { passive: true });

  const change = (stated) => app.go("search", addressOf(stated));
  const filters = createFilters(app, (stated) => { if (!isHidden) change({ ...question, ...stated }); }); // a field that is left with its view has changed nothing
  const picker = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.dng,.cr2,.nef,.arw", multiple: true, hidden: true });
  const bar = createAskingBar(app, { change, choose, facts });
  const answers = createAnswers(app, {
    more: (item) => { remember(item); change({ ...question, pictures: [{ id: item.id, weight: 1 }], attributes: new Map() }); },
    add: (item, weight) => { remember(item); change({ ...question, pictures: [...question.pictures.filter(({ id }) => id !== item.id), { id: item.id, weight }] }); },
    compare,
    widen: () => change({ ...question, ...NO_FILTERS }),
    choose: () => choose({ add: false }),
    blame,
  });
  const welcome = make("section", { className: "welcome", "aria-label": "Search with a picture of your own" }, icon("upload"),
    make("div", {}, make("h2", { textContent: "Search with a picture" }), make("p", { className: "quiet", textContent: "Drop it anywhere on this page, paste it, or choose a file. It is not kept." })),
    button("Choose a picture", () => choose({ add: false }), { className: "primary", sign: "picture" }));
  root.append(picker, welcome, bar.element, make("div", { className: "search-body" }, filters.element, make("div", { className: "search-main" }, bar.narrowed, answers.element)));

  picker.addEventListener("change", () => {
    const pictures = [...picker.files].map((file) => ({ file: app.basket.keep(file), weight: 1 }));
    picker.value = "";
    if (pictures.length) change({ ...question, pictures: isAdding ? [...question.pictures, ...pictures] : pictures });
  });

  function choose({ add }) {
    isAdding = add;
    picker.click();
  }

  /* Whether it is the fault of the filter as it was written, which is told there. */
  function blame(error) {
    const isFault = question.where !== "" && error.status === 422 && /filter|column/.test(error.message);
    filters.blame(isFault ? error : null);
    return isFault;
  }

  const remember = (item) => known.set(item.id, Promise.resolve(item));

  function facts(id) {
    if (!known.has(id)) {
      known.set(id, app.api.get(`/v1/items/${id}`));
      known.get(id).catch(() => known.delete(id));
    }
    return known.get(id);
  }

  function compare(item) {
    const [first] = question.pictures;
    if (!first) { app.say("There is no picture to compare it with: what is asked are attributes."); return; }
    app.go("compare", { a: first.id ?? `f${first.file}`, b: item.id });
  }

  function ask() {
    const asked = asksFor(question);
    answeredAs = basis();
    welcome.hidden = asked;
    bar.show(question, { isAsked: asked });
    filters.show(question, { asked });
    return answers.ask(question);
  }

  const basis = () => JSON.stringify([app.info.generation, app.info.thresholds, app.info.probabilities]);

  /* The answers are kept when the view is left; a threshold that was saved since, or a picture that came, changes them. */
  async function followServer() {
    await app.refreshInfo();
    return basis() === answeredAs || isHidden ? null : ask();
  }

  return {
    show(parameters) {
      const before = addressOf(question).toString(), isSame = before === addressOf(readQuestion(parameters)).toString();
      const isKept = isHidden && isSame && answers.isAnswered();
      isHidden = false;
      question = readQuestion(parameters);
      if (isKept) {
        filters.show(question, { asked: asksFor(question) });
        scrollTo(0, scrolled);
        answers.stay();
        return followServer();
      }
      if (!isSame) scrollTo(0, 0);
      return ask();
    },
    hide() {
      isHidden = true;
      answers.stop();
    },
  };
}
