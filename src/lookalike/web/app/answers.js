/* The pictures below what is asked: answers to it, or the collection where nothing is. Pages come from the server. */

import { createPages } from "./answers_pages.js";
import { blamed, noteOf, spokenOf, titleOf } from "./answers_words.js";
import { isOutdated } from "./api.js";
import { namesTogether } from "./cutting.js";
import { button, count, make, sentence, state } from "./elements.js";
import { createGrid } from "./grid.js";
import { mayPass } from "./hints.js";
import { OF_UPLOADS, asksFor, isCombined, isNarrowed } from "./question.js";
import { thumbnail, tile } from "./tiles.js";

const PAGE = 48, MOST_AT_ONCE = 960; // pictures

/* actions: { more, look, compare, add } for tiles, { widen, blame } for when nothing comes, remove(id) for the one that is asked about. */
export const createAnswers = (app, actions) => new Answers(app, actions);

class Answers {
  #app; #actions; #pages; #grid;
  #title = make("h1", { tabIndex: -1 });
  #note = make("p", { className: "quiet small" });
  #spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  #said = make("div");
  #known = make("div", { className: "known" });
  #question = null;
  #isWhole = false;
  #place = null; // of the history: going back finds as many pictures as were shown
  #threshold = null;

  constructor(app, actions) {
    this.#app = app;
    this.#actions = actions;
    this.#pages = createPages(app);
    this.#grid = createGrid({ name: "Pictures", more: () => this.#next().catch((error) => { this.#grid.stop(); app.fail(error); }) });
    this.element = make("section", { className: "answers", "aria-label": "Pictures" }, make("header", {}, this.#title, this.#note), this.#spoken, this.#known, this.#said, this.#grid.element);
  }

  ask(question) {
    this.#question = question;
    return this.#start();
  }

  /* Whether what was asked last is answered; it need not be asked again when the view is shown again. */
  isAnswered() { return this.#isWhole; }

  /* The same answers at another entry of the history. */
  stay() {
    this.#app.place.shown ??= this.#place?.shown;
    this.#place = this.#app.place;
  }

  stop() {
    this.#pages.stop();
    this.#grid.stop();
  }

  #start() {
    this.#isWhole = false;
    this.#pages.begin(this.#question);
    return this.#first().catch((error) => this.#show(error));
  }

  async #first() {
    const isFocused = this.#grid.hasFocus();
    this.#grid.wait();
    this.#place = this.#app.place;
    const { items, isMore, found, total } = await this.#pages.next(Math.min(this.#place.shown ?? PAGE, MOST_AT_ONCE));
    this.#threshold = found?.threshold ?? null;
    this.#said.replaceChildren();
    this.#known.replaceChildren(...(isCombined(this.#question) || !found ? [] : this.#aboutAsked(found.known)));
    if (found) this.#tellAnswers(found, items, isMore);
    else this.#tellCollection(total);
    this.#grid.fill(this.#tiles(items), { isMore });
    this.#isWhole = true;
    if (isFocused) this.#title.focus({ preventScroll: true });
  }

  async #next() {
    this.#grid.wait();
    const { items, isMore } = await this.#pages.next(PAGE);
    this.#grid.append(this.#tiles(items), { isMore });
    if (this.#place) this.#place.shown = (this.#place.shown ?? PAGE) + PAGE;
    this.#spoken.textContent = count(items.length, "more picture");
  }

  #tiles(items) {
    const judged = { asked: asksFor(this.#question), threshold: this.#threshold, nameOf: namesTogether(items.map(({ name }) => name)) };
    return items.map((item) => tile(this.#app.api, item, this.#actions, judged));
  }

  #tell(title, note, spoken) {
    this.#title.textContent = title;
    this.#note.textContent = note;
    this.#spoken.textContent = spoken;
  }

  #tellAnswers(found, items, isMore) {
    this.#tell(titleOf(this.#question, items), noteOf(this.#question, found, this.#app.info.thresholds), spokenOf(items, found, { isMore }));
    if (!items.length) this.#said.replaceChildren(state("", sentence(found.nothing), ...this.#widenings()));
  }

  #tellCollection(total) {
    this.#tell(total ? count(total, "picture") : "No pictures", total ? "Click one to see what is most alike to it" : "", count(total, "picture"));
    if (total) return;
    const nothing = isNarrowed(this.#question) ? state("No picture is like that", "The filters leave nothing.", ...this.#widenings()) : this.#nothingYet();
    this.#said.replaceChildren(nothing);
  }

  #nothingYet() {
    const add = this.#app.info.writable ? [button("Add pictures", () => this.#app.add(), { className: "primary" })] : [];
    return state("The collection is empty", "Add a folder on the command line: lookalike index INDEX FOLDER.", ...add);
  }

  #widenings() {
    return isNarrowed(this.#question) ? [button("Remove the filters", this.#actions.widen, { className: "primary" })] : [];
  }

  /* An upload that the collection has to the last pixel is left out of the answers, and said beside them; another one can
   * be added, and one of the collection be taken out of it. */
  #aboutAsked(ids) {
    const [picture] = this.#question.pictures;
    if (ids.length) return [knownPicture(this.#app.api, ids)];
    if (!this.#app.info.writable || !picture) return [];
    if (picture.id !== undefined) return [button("Take the asked picture out of the collection", () => this.#actions.remove(picture.id), { className: "plain own-action", sign: "minus" })];
    const file = this.#app.basket.file(picture.file); // which forgets the oldest ones
    return [button("Add this picture to the collection", () => this.#app.add([file]), { className: "own-action", sign: "plus" })];
  }

  /* A failure in the place of the answers. */
  #show(error) {
    if (isOutdated(error)) return;
    this.#grid.clear();
    this.#known.replaceChildren();
    this.#tell("", "", "");
    const said = this.#actions.blame(error) ? state("The filter cannot be used", "What is wrong with it is said where it was written.", ...this.#widenings())
      : state(blamed(error, this.#question, this.#app.basket), sentence(error.hint), this.#wayOn(error));
    said.setAttribute("role", "alert");
    this.#said.replaceChildren(said);
    if (!error.code) console.error(error);
  }

  /* An upload that cannot be used will not be better the next time, nor will a question that is not understood. */
  #wayOn(error) {
    if (OF_UPLOADS.includes(error.code)) return button("Choose another picture", this.#actions.choose, { className: "primary" });
    return mayPass(error) ? button("Try again", () => this.#start(), { className: "primary" }) : button("Start again", () => this.#app.go("search"), { className: "primary" });
  }
}

function knownPicture(api, ids) {
  const often = ids.length > 1 ? `, ${ids.length.toLocaleString("en")} times` : "";
  return make("a", { href: `#search?id=${ids[0]}`, className: "known-picture" }, make("span", { className: "picture" }, thumbnail(api.thumb(ids[0], 128))), `This very picture is in the collection${often}`);
}
