/* The groups that are still to be looked at: pages of them are asked for, the one in hand is kept.
 *
 * Decisions go to the server at once; it groups anew, so pages are asked for again after each. What was decided before
 * is kept here for undoing. Nothing is drawn.
 */

const PAGE = 20;

export function createQueue(api) {
  const undos = []; // { a, b, before, place, member }
  const own = { band: "", answer: null, place: 0, undos, load, group, decide, undo, refresh };

  /* The page that a place is on; past the end, the last one that there is. */
  async function load(place = own.place) {
    const wanted = Math.max(0, place);
    let answer = await ask(wanted);
    if (answer.state === "ready" && wanted > answer.total) answer = await ask(answer.total);
    own.answer = answer;
    own.place = Math.min(wanted, answer.total);
    return answer;
  }

  function ask(place) {
    const skip = place - (place % PAGE);
    return api.get("/v1/groups", { band: own.band, skip, limit: PAGE }, { latest: "groups" });
  }

  /* The group in hand; null past the last one. */
  function group() {
    return own.answer?.groups[own.place % PAGE] ?? null;
  }

  async function decide(member, keeper, verdict) {
    const pair = { a: member.id, b: keeper.id }, from = group().key;
    const { before } = await api.post("/v1/decisions", { ...pair, verdict });
    undos.push({ ...pair, before: before ?? null, place: own.place, member: member.id, names: [member.name, keeper.name] });
    await load();
    return group()?.key === from;
  }

  /* Restores what held before the last decision, and takes its group in hand; null: there is nothing to undo. */
  async function undo() {
    const last = undos.at(-1);
    if (!last) return null;
    await api.post("/v1/decisions", { a: last.a, b: last.b, verdict: last.before ?? "forget" });
    undos.pop();
    await load(last.place);
    const found = own.answer.groups.findIndex((each) => each.members.some((member) => member.id === last.member));
    if (found >= 0) own.place += found - (own.place % PAGE);
    return last;
  }

  async function refresh() {
    await api.post("/v1/groups/refresh");
    return load(0);
  }

  return own;
}
