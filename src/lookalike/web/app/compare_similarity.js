/* How alike two pictures are for a model without a threshold, which matches nothing: the search is asked instead.
 *
 * Two sides { id, item | file } enter; a cosine leaves, or null where the other picture is too far down.
 */

const PAGE = 1000; // answers, the most that are given at once
const PAGES = 20;

export async function similarityOf(api, sides) {
  if (sides.every((side) => side.file)) return ofFiles(api, sides);
  const [query, wanted] = sides[1].file ? [sides[1], sides[0]] : sides;
  if (!query.file && query.id === wanted.id) return 1;
  for (let page = 0; page < PAGES; page += 1) {
    const { hits } = await search(api, query, wanted, page * PAGE);
    const found = hits.find((hit) => hit.id === wanted.id);
    if (found) return found.similarity;
    if (hits.length < PAGE) return null;
  }
  return null;
}

/* Among the pictures of the wanted one's folder. */
function search(api, query, wanted, skip) {
  const ask = { k: PAGE, skip, copies: true, folder: wanted.item.name.split("/").slice(0, -1).join("/") };
  if (!query.file) return api.post("/v1/search", { ...ask, query: [{ id: query.id }] });
  const body = new FormData();
  body.append("picture", query.file);
  body.append("ask", JSON.stringify(ask));
  return api.send("/v1/search", body);
}

/* Embeddings have length 1, so their product is the cosine. */
async function ofFiles(api, sides) {
  const body = new FormData();
  for (const { file } of sides) body.append("picture", file);
  const { embeddings } = await api.send("/v1/embed", body);
  if (embeddings.length < 2) return null;
  return embeddings[0].vector.reduce((sum, value, place) => sum + value * embeddings[1].vector[place], 0);
}
