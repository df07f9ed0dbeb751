/* The groups that are still to be looked at: pages of them are asked for, the one in hand is kept.
 *
 * Decisions go to the server at once; it groups anew, so pages are asked for again after each. What was decided before
 * is kept here for undoing. Nothing is drawn.
 */

const PAGE = 20;

export function createQueue(api) {
  const undos = []; // { a, b, before, place, member }
  const references = new Map(); // group's key to the picture that the others are compared with, where one was chosen
  const said = new Map(); // pairs of this visit to what was said of them
  const own = { band: "", answer: null, place: 0, undos, begin, load, group, compareWith, decide, undo, forget, refresh };

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
    return found ? compared(found, references.get(found.key), said) : null;
  }

  /* What was said of pairs with it on earlier visits is asked for: a group tells of pairs with the keeper of the usual rule
   * alone. */
  async function compareWith(member) {
    const { key, members } = group();
    await Promise.all(members.filter(({ id }) => id !== member.id).map(({ id }) => recall({ a: member.id, b: id })));
    references.set(key, member.id);
  }

  async function recall(pair) {
    if (said.has(nameOf(pair))) return;
    const { decisions: [found] } = await api.get("/v1/decisions", pair);
    said.set(nameOf(pair), found?.verdict ?? null);
  }

  async function decide(member, reference, verdict) {
    const pair = { a: member.id, b: reference.id }, from = group().key;
    const { before } = await api.post("/v1/decisions", { ...pair, verdict });
    said.set(nameOf(pair), verdict);
    undos.push({ ...pair, before: before ?? null, place: own.place, member: member.id, names: [member.name, reference.name] });
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

/* A group with the picture that the others are compared with: what the usual rule keeps, or another one that was chosen; and with
 * what was said of pairs with it, and of no other. */
function compared(group, id, said) {
  const keeper = group.members.find((member) => member.keeper), reference = group.members.find((member) => member.id === id) ?? keeper;
  const decided = (member) => {
    if (member === reference) return null;
    const told = said.get(nameOf({ a: member.id, b: reference.id }));
    return told === undefined && reference === keeper ? member.decided : told ?? null;
  };
  return { ...group, members: group.members.map((member) => ({ ...member, reference: member === reference, decided: decided(member) })) };
}
