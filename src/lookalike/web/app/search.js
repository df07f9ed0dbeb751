/* The search view: drop, paste or choose a picture, or click one of the collection; then ask on from the answers.
 *
 * What is asked is in the address, and nowhere else: every change goes there first, and comes back by show().
 */

import { createAnswers } from "./answers.js";
import { createAskingBar } from "./asking_bar.js";
import { createDetails } from "./details.js";
import { button, icon, make } from "./elements.js";
import { createFilters } from "./filters.js";
import { visible } from "./make.js";
import { addressOf, asksFor, readQuestion } from "./question.js";
import { createRemoving } from "./removing.js";

const NO_FILTERS = { label: "", where: "", folder: "", lowest: null, probability: null };

export const mount = (root, app) => new Search(root, app);

class Search {
  #app; #bar; #filters; #answers; #removing; #details; #welcome;
  #picker = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.dng,.cr2,.nef,.arw", multiple: true, hidden: true });
  #question = readQuestion(new URLSearchParams());
  #isAdding = false; // whether pictures that are chosen join what is asked
  #isHidden = false;
  #scrolled = 0;
  #answeredAs = ""; // what verdicts and filters depend on, as it was when the question was asked
  #known = new Map(); // id to what the server says of it, asked for once

  constructor(root, app) {
    this.#app = app;
    this.#filters = createFilters(app, (stated) => { if (!this.#isHidden) this.#change(stated); }); // a field that is left with its view has changed nothing
    this.#bar = createAskingBar(app, { change: (question) => this.#ask(question), choose: (how) => this.#choose(how), facts: (id) => this.#facts(id) });
    this.#answers = createAnswers(app, this.#actions());
    this.#removing = createRemoving(app, { removed: (item) => this.#removed(item) });
    this.#details = createDetails(app.api, { more: (item) => this.#more(item) });
    this.#welcome = welcomeOf(app, () => this.#choose({ add: false }));
    root.append(this.#removing.element, this.#details.element, this.#picker, this.#welcome, this.#bar.element,
      make("div", { className: "search-body" }, this.#filters.element, make("div", { className: "search-main" }, this.#bar.narrowed, this.#answers.element)));
    this.#picker.addEventListener("change", () => this.#take());
    addEventListener("scroll", () => { if (!root.hidden) this.#scrolled = scrollY; }, { passive: true });
  }

  show(parameters) {
    const before = addressOf(this.#question).toString();
    this.#question = readQuestion(parameters);
    const isSame = before === addressOf(this.#question).toString(), isKept = this.#isHidden && isSame && this.#answers.isAnswered();
    this.#isHidden = false;
    if (isKept) return this.#showAgain();
    if (!isSame) scrollTo(0, 0);
    return this.#answer();
  }

  hide() {
    this.#isHidden = true;
    this.#removing.close();
    this.#details.close();
    this.#answers.stop();
  }

  /* What is done with an answer, or where there is none. */
  #actions() {
    return {
      more: (item) => this.#more(item),
      look: (item) => this.#details.open(item),
      add: (item, weight) => { this.#remember(item); this.#change({ pictures: [...this.#without(item.id), { id: item.id, weight }] }); },
      compare: (item) => this.#compare(item),
      widen: () => this.#change(NO_FILTERS),
      choose: () => this.#choose({ add: false }),
      blame: (error) => this.#blame(error),
      remove: (id) => this.#facts(id).then(this.#removing.ask).catch(this.#app.fail),
    };
  }

  #more(item) {
    this.#remember(item);
    this.#change({ pictures: [{ id: item.id, weight: 1 }], attributes: new Map() });
  }

  /* Asking: by the address. */

  #ask(question) { this.#app.go("search", addressOf(question)); }

  #change(stated) { this.#ask({ ...this.#question, ...stated }); }

  #without(id) { return this.#question.pictures.filter((picture) => picture.id !== id); }

  #choose({ add }) {
    this.#isAdding = add;
    this.#picker.click();
  }

  #take() {
    const pictures = [...this.#picker.files].map((file) => ({ file: this.#app.basket.keep(file), weight: 1 }));
    this.#picker.value = "";
    if (pictures.length) this.#change({ pictures: this.#isAdding ? [...this.#question.pictures, ...pictures] : pictures });
  }

  #compare(item) {
    const [first] = this.#question.pictures;
    if (first) this.#app.go("compare", { a: first.id ?? `f${first.file}`, b: item.id });
    else this.#app.say("There is no picture to compare it with: what is asked are attributes.");
  }

  /* What was asked about is not there any more. */
  async #removed({ id, name }) {
    this.#known.delete(id);
    await this.#app.refreshInfo();
    this.#change({ pictures: this.#without(id) });
    this.#app.say(`Taken out of the collection: ${visible(name)}`);
  }

  /* What is known of a picture. */

  #remember(item) { this.#known.set(item.id, Promise.resolve(item)); }

  #facts(id) {
    if (!this.#known.has(id)) {
      this.#known.set(id, this.#app.api.get(`/v1/items/${id}`));
      this.#known.get(id).catch(() => this.#known.delete(id));
    }
    return this.#known.get(id);
  }

  /* Answering. */

  #answer() {
    const asked = asksFor(this.#question);
    this.#answeredAs = this.#basis();
    this.#welcome.hidden = asked;
    this.#bar.show(this.#question, { isAsked: asked });
    this.#filters.show(this.#question, { asked });
    return this.#answers.ask(this.#question);
  }

  #basis() {
    const { generation, thresholds, probabilities } = this.#app.info;
    return JSON.stringify([generation, thresholds, probabilities]);
  }

  /* The answers are kept when the view is left; a threshold that was saved since, or a picture that came, changes them. */
  async #showAgain() {
    this.#filters.show(this.#question, { asked: asksFor(this.#question) });
    scrollTo(0, this.#scrolled);
    this.#answers.stay();
    await this.#app.refreshInfo();
    return this.#basis() === this.#answeredAs || this.#isHidden ? null : this.#answer();
  }

  /* Whether it is the fault of the filter as it was written, which is told there. */
  #blame(error) {
    const isFault = this.#question.where !== "" && error.status === 422 && /filter|column/.test(error.message);
    this.#filters.blame(isFault ? error : null);
    return isFault;
  }
}

function welcomeOf(app, choose) {
  return make("section", { className: "welcome", "aria-label": "Search with a picture of your own" }, icon("upload"),
    make("div", {}, make("p", { className: "welcome-title", textContent: "Search with a picture" }), make("p", { className: "quiet", textContent: "Drop it anywhere on this page, paste it, or choose a file. It is not kept." })),
    button("Choose a picture", choose, { className: "primary", sign: "picture" }),
    app.info.writable ? button("Add to the collection", () => app.add(), { className: "plain", sign: "plus" }) : null);
}
