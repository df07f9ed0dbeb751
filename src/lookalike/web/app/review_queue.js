/* The groups that are still to be looked at: pages of them are asked for, the one in hand is kept.
 *
 * Decisions go to the server at once; it groups anew, so pages are asked for again after each. What was decided before
 * is kept here for undoing. Nothing is drawn.
 */

const PAGE = 20;

export function createQueue(api) {
  const undos = []; // { a, b, before, place, member }
  const keepers = new Map(); // group's key to the picture that is kept in place of the proposed one
  const said = new Map(); // pairs of this visit to what was said of them
  const own = { band: "", answer: null, place: 0, undos, begin, load, group, keep, decide, undo, forget, refresh };

  /* The group of a key, or the first that nobody decided on, with its page. */
  async function begin(key) {
    own.answer = await api.get("/v1/groups", { band: own.band, key, undecided: true, limit: PAGE }, { latest: "groups" });
    own.place = own.answer.place ?? 0;
    return own.answer;
  }

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
    const found = own.answer?.groups[own.place % PAGE];
    return found ? kept(found, keepers.get(found.key), said) : null;
  }

  function keep(member) {
    keepers.set(group().key, member.id);
  }

  async function decide(member, keeper, verdict) {
    const pair = { a: member.id, b: keeper.id }, from = group().key;
    const { before } = await api.post("/v1/decisions", { ...pair, verdict });
    said.set(nameOf(pair), verdict);
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
    said.set(nameOf(last), last.before);
    await load(last.place);
    const found = own.answer.groups.findIndex((each) => each.members.some((member) => member.id === last.member));
    if (found >= 0) own.place += found - (own.place % PAGE);
    return last;
  }

  /* Of any visit; what this one did with the two is not undone any more. */
  async function forget({ a, b }) {
    await api.post("/v1/decisions", { a: a.id, b: b.id, verdict: "forget" });
    const name = nameOf({ a: a.id, b: b.id });
    undos.splice(0, undos.length, ...undos.filter((each) => nameOf(each) !== name));
    said.set(name, null);
    return load();
  }

  async function refresh() {
    await api.post("/v1/groups/refresh");
    return load(0);
  }

  return own;
}

const nameOf = ({ a, b }) => [a, b].sort((one, other) => one - other).join(" ");

/* A group with another keeper, which takes the place of the proposed one; and with what was said of pairs with it. */
function kept(group, id, said) {
  const proposed = group.members.find((member) => member.keeper), keeper = group.members.find((member) => member.id === id) ?? proposed;
  const told = (member) => said.get(nameOf({ a: member.id, b: keeper.id }));
  const members = group.members.map((member) => ({ ...member, ...(member === keeper ? {} : { decided: told(member) ?? (told(member) === null ? null : member.decided) }) }));
  if (keeper === proposed) return { ...group, members };
  const [before, now] = [proposed, keeper].map((each) => members[group.members.indexOf(each)]);
  Object.assign(before, { keeper: false, action: keeper.action, reason: "proposed to stay; you keep another one", decided: told(proposed) ?? null });
  Object.assign(now, { keeper: true, action: "keep", reason: "you keep this one, see below", decided: null });
  return { ...group, members };
}
