/* The pictures below what is asked: answers to it, or the collection where nothing is. Pages come from the server. */

import { isOutdated } from "./api.js";
import { button, count, make, state } from "./elements.js";
import { createGrid } from "./grid.js";
import { FORGOTTEN, TOO_LARGE, asksFor, isCombined, request, whereOf } from "./question.js";
import { tile } from "./tiles.js";

const PAGE = 48;
const OF_UPLOADS = [413, 415, FORGOTTEN, TOO_LARGE];
const LATEST = "answers"; // what is asked now makes what was asked before of no interest

/* actions: { more, compare, add } for tiles, { widen, blame } for when nothing comes. */
export function createAnswers(app, actions) {
  const { api, basket, info } = app;
  const title = make("h1", { tabIndex: -1 });
  const note = make("p", { className: "quiet small" });
  const spoken = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
  const said = make("div", {});
  const grid = createGrid({ name: "Pictures", more: () => next().catch((error) => { grid.stop(); app.fail(error); }) });
  const element = make("section", { className: "answers", "aria-label": "Pictures" }, make("header", {}, title, note), spoken, said, grid.element);
  let question = null, asked = false, from = 0, isWhole = false;

  async function page() {
    if (!asked) return browse();
    const { ask, body } = request(question, basket, info.limits, { k: PAGE, skip: from });
    const found = await (body ? api.send("/v1/search", body, { latest: LATEST }) : api.post("/v1/search", ask, { latest: LATEST }));
    from += found.hits.length;
    return { items: found.hits, isMore: found.hits.length === PAGE, found };
  }

  async function browse() {
    const { folder } = question;
    const { items, next: after, total } = await api.get("/v1/items", { after: from, limit: PAGE, where: whereOf(question), folder }, { latest: LATEST });
    from = after ?? from;
    return { items, isMore: after !== null, total };
  }

  async function first() {
    const isFocused = grid.hasFocus();
    grid.wait();
    const { items, isMore, found, total } = await page();
    said.replaceChildren();
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
    spoken.textContent = `${count(items.length, "more picture")}`;
  }

  const tiles = (items) => items.map((item) => tile(api, item, actions, { asked }));

  function tellAnswers(found, items, isMore) {
    title.textContent = items.length ? (isCombined(question) ? "Most alike to all of it" : "Most alike") : "No match";
    const parts = [];
    if (typeof found.threshold === "number") parts.push(`match from ${found.threshold.toFixed(2)} on`);
    else if (isCombined(question)) parts.push("no verdicts: a threshold is made for two pictures");
    else if (question.pictures.length) parts.push("no verdicts: the model has no threshold yet");
    if (!found.exact) parts.push("looked up fast: now and then one is missed");
    note.textContent = parts.join(" · ");
    const matches = items.filter((hit) => hit.match === true).length;
    spoken.textContent = items.length ? `${isMore ? "The first " : ""}${count(items.length, "answer")}${typeof found.threshold === "number" ? `, ${count(matches, "match", "matches")}` : ""}` : "No match";
    if (!items.length) said.replaceChildren(state("", sentence(found.nothing), ...widenings()));
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
    title.textContent = "";
    note.textContent = "";
    spoken.textContent = "";
    if (actions.blame(error)) said.replaceChildren(state("The filter cannot be used", "What is wrong with it is said where it was written.", ...widenings()));
    else said.replaceChildren(state(sentence(error.message), sentence(error.hint), wayOn(error)));
    said.firstElementChild.setAttribute("role", "alert");
    if (!error.code) console.error(error);
  }

  /* An upload that cannot be used will not be better the next time. */
  function wayOn({ status, code }) {
    if (OF_UPLOADS.includes(status || code)) return button("Choose another picture", actions.choose, { className: "primary" });
    return button("Try again", start, { className: "primary" });
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
    stop: () => { api.giveUp(LATEST); grid.stop(); },
  };
}

/* Half a sentence of the server as a whole one. */
function sentence(text) {
  if (!text) return "";
  const end = /[.!?…]$/.test(text) ? "" : ".";
  return text[0].toUpperCase() + text.slice(1) + end;
}
