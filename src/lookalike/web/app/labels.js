/* The labels of the collection, suggested to a field as somebody writes in it. */

import { make } from "./elements.js";

const SUGGESTED = 30;

/* id: of the list of suggestions, that the field names. suggest(start) gives how many begin so. */
export function createLabels(api, id) {
  const options = make("datalist", { id });

  async function suggest(start) {
    const { labels } = await api.get("/v1/labels", { start, limit: SUGGESTED }, { latest: id });
    options.replaceChildren(...labels.map(({ label: value, count }) => make("option", { value, label: `${value} (${count})` })));
    return labels.length;
  }

  return { options, suggest };
}
