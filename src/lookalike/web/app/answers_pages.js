/* Asks the server for answers, or for the collection where nothing is asked, page by page. */

import { asksFor, isJudged, request, whereOf } from "./question.js";
import { judgeOf } from "./thresholds.js";

const LATEST = "answers"; // what is asked now makes what was asked before of no interest

/* A page is { items, isMore }, with `found`, the whole answer, or with `total`, of the collection. */
export function createPages(app) {
  const { api, basket } = app;
  let question = null, from = 0;

  async function search(size) {
    const { ask, body } = request(question, basket, app.info, { k: size, skip: from });
    const found = await (body ? api.send("/v1/search", body, { latest: LATEST }) : api.post("/v1/search", ask, { latest: LATEST }));
    from += found.hits.length;
    if (isJudged(question) && !judgeOf(question.threshold, app.info.thresholds)) found.hits = found.hits.map(unjudged);
    return { items: found.hits, isMore: found.hits.length === size, found };
  }

  /* Where no threshold says what is the same, the model's probability is not of that either. */
  const unjudged = (hit) => ({ ...hit, probability: null, band: null });

  async function browse(size) {
    const { folder } = question;
    const { items, next, total } = await api.get("/v1/items", { after: from, limit: size, where: whereOf(question), folder }, { latest: LATEST });
    from = next ?? from;
    return { items, isMore: next !== null, total };
  }

  return {
    begin: (stated) => { question = stated; from = 0; },
    next: (size) => (asksFor(question) ? search(size) : browse(size)),
    stop: () => api.giveUp(LATEST),
  };
}
