/* The pictures below what is asked: answers to it, or the collection where nothing is. Pages come from the server. */

import { isOutdated } from "./api.js";
import { button, count, make, sentence, state } from "./elements.js";
import { createGrid } from "./grid.js";
import { mayPass } from "./hints.js";
import { FORGOTTEN, TOO_LARGE, asksFor, isCombined, isJudged, request, whereOf } from "./question.js";
import { shownThreshold, thumbnail, tile } from "./tiles.js";

const PAGE = 48, MOST_AT_ONCE = 960; // pictures
const OF_UPLOADS = ["not_a_picture", "picture", "too_large", "too_many", FORGOTTEN, TOO_LARGE];
const LATEST = "answers"; // what is asked now makes what was asked before of no interest

/* actions: { more, compare, add } for tiles, { widen, blame } for when nothing comes. */
export function createAnswers(app, actions) {
  const { api, basket } = app;
  const title = make("h1", { tabIndex: -1 });
  const note = make("p", { className: "quiet small" });
  const spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  const said = make("div", {}), known = make("div", { className: "known" });
  const grid = createGrid({ name: "Pictures", more: () => next().catch((error) => { grid.stop(); app.fail(error); }) });
  const element = make("section", { className: "answers", "aria-label": "Pictures" }, make("header", {}, title, note), spoken, known, said, grid.element);
  let question = null, asked = false, from = 0, isWhole = false, place = null, threshold = null;

  async function page(size = PAGE) {
    if (!asked) return browse(size);
    const { ask, body } = request(question, basket, app.info, { k: size, skip: from });
    const found = await (body ? api.send("/v1/search", body, { latest: LATEST }) : api.post("/v1/search", ask, { latest: LATEST }));
    from += found.hits.length;
    return { items: found.hits, isMore: found.hits.length === size, found };
  }

  async function browse(size) {
    const { folder } = question;
    const { items, next: after, total } = await api.get("/v1/items", { after: from, limit: size, where: whereOf(question), folder }, { latest: LATEST });
    from = after ?? from;
    return { items, isMore: after !== null, total };
  }

  async function first() {
    const isFocused = grid.hasFocus();
    grid.wait();
    place = app.place; // of the history: going back finds as many pictures as were shown
    const { items, isMore, found, total } = await page(Math.min(place.shown ?? PAGE, MOST_AT_ONCE));
    threshold = found?.threshold ?? null;
    said.replaceChildren();
    tellKnown(isCombined(question) ? [] : found?.known ?? []);
    if (found) tellAnswers(found, items, isMore);
    else tellCollection(total);
    grid.fill(tiles(items), { isMore });
    isWhole = true;
    if (isFocused) title.focus({ preventScroll: true });
  }

  async function next() {
    grid.wait();
    const { items, isMore } = await page();
    grid.append(tiles(items), { isMore });
    if (place) place.shown = (place.shown ?? PAGE) + PAGE;
    spoken.textContent = `${count(items.length, "more picture")}`;
  }

  const tiles = (items) => items.map((item) => tile(api, item, actions, { asked, threshold }));

  function tellAnswers(found, items, isMore) {
    title.textContent = items.length ? (isCombined(question) ? "Most alike to all of it" : "Most alike") : "No answers";
    const parts = [];
    if (typeof found.threshold === "number") parts.push(`match from ${shownThreshold(found.threshold)} on`);
    else if (isCombined(question)) parts.push("no verdicts: a threshold is made for two pictures");
    else if (isJudged(question)) parts.push("no verdicts: the model has no threshold yet");
    else if (question.pictures.length) parts.push("no verdicts: a threshold says what is alike, not what is unlike");
    if (!found.exact) parts.push("looked up fast: now and then one is missed");
    note.textContent = parts.join(" · ");
    const matches = items.filter((hit) => hit.match === true).length;
    spoken.textContent = items.length ? `${isMore ? "The first " : ""}${count(items.length, "answer")}${typeof found.threshold === "number" ? `, ${count(matches, "match", "matches")}` : ""}` : "No answers";
    if (!items.length) said.replaceChildren(state("", sentence(found.nothing), ...widenings()));
  }

  /* An upload that the collection has to the last pixel is left out of the answers, and said beside them. */
  function tellKnown(ids) {
    known.replaceChildren(...ids.slice(0, 1).map((id) => make("a", { href: `#search?id=${id}`, className: "known-picture" }, make("span", { className: "picture" }, thumbnail(api.thumb(id, 128))),
      ids.length > 1 ? `This very picture is in the collection, ${ids.length.toLocaleString("en")} times` : "This very picture is in the collection")));
  }

  function tellCollection(total) {
    title.textContent = total ? count(total, "picture") : "No pictures";
    note.textContent = total ? "Click one to see what is most alike to it" : "";
    spoken.textContent = count(total, "picture");
    if (!total) said.replaceChildren(isNarrowed() ? state("No picture is like that", "The filters leave nothing.", ...widenings()) : state("The collection is empty", "Add pictures on the command line: lookalike index INDEX FOLDER."));
  }

  const isNarrowed = () => Boolean(question.label || question.where || question.folder || question.lowest !== null || question.probability !== null);
  const widenings = () => (isNarrowed() ? [button("Remove the filters", actions.widen, { className: "primary" })] : []);

  /* A failure in the place of the answers. */
  function show(error) {
    if (isOutdated(error)) return;
    grid.clear();
    known.replaceChildren();
    title.textContent = "";
    note.textContent = "";
    spoken.textContent = "";
    if (actions.blame(error)) said.replaceChildren(state("The filter cannot be used", "What is wrong with it is said where it was written.", ...widenings()));
    else said.replaceChildren(state(named(error), sentence(error.hint), wayOn(error)));
    said.firstElementChild.setAttribute("role", "alert");
    if (!error.code) console.error(error);
  }

  /* Which picture it is about, where it is one of the uploads and the message does not name it. */
  function named({ code, message }) {
    const names = question.pictures.filter(({ file }) => file !== undefined).map(({ file }) => basket.file(file)?.name || "pasted picture");
    if (!OF_UPLOADS.includes(code) || code === FORGOTTEN || names.some((name) => message.includes(name))) return sentence(message);
    return names.length === 1 ? `${names[0]}: ${sentence(message)}` : `One of ${names.join(", ")}: ${sentence(message)}`;
  }

  /* An upload that cannot be used will not be better the next time, nor will a question that is not understood. */
  function wayOn(error) {
    if (OF_UPLOADS.includes(error.code)) return button("Choose another picture", actions.choose, { className: "primary" });
    return mayPass(error) ? button("Try again", start, { className: "primary" }) : button("Start again", () => app.go("search"), { className: "primary" });
  }

  function start() {
    from = 0;
    isWhole = false;
    return first().catch(show);
  }

  return {
    element,
    ask(stated) {
      question = stated;
      asked = asksFor(stated);
      return start();
    },
    /* Whether what was asked last is answered; it need not be asked again when the view is shown again. */
    isAnswered: () => isWhole,
    /* The same answers at another entry of the history. */
    stay: () => {
      app.place.shown ??= place?.shown;
      place = app.place;
    },
    stop: () => { api.giveUp(LATEST); grid.stop(); },
  };
}
