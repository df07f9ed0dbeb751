/* Duplicates: one group after the other, by keyboard; what a person decides is kept with the index at once.
 *
 * The server finds the groups; while it does, it is asked how far it is, ever more seldom. Nothing is moved from here.
 */

import { isOutdated } from "./api.js";
import { button, state } from "./elements.js";
import { createDecided } from "./review_decided.js";
import { createHelp, createLarge } from "./review_dialogs.js";
import { drawEnd, drawGroup } from "./review_group.js";
import { createFrame } from "./review_frame.js";
import { createQueue } from "./review_queue.js";
import { saidOf, shortName, spokenGroup } from "./review_words.js";

const FIRST_PAUSE = 300; // milliseconds until it is asked again how far the finding is
const LONGEST_PAUSE = 5000;
const GROWTH = 1.4;

export function mount(root, app) {
  const queue = createQueue(app.api), help = createHelp(), large = createLarge(app.api, { step, compare });
  const acts = { go: (by) => inTurn(() => go(by)), choose, large: look, decide: (verdict) => inTurn(() => decide(verdict)), keep: () => inTurn(keep), again: () => inTurn(again) };
  const decided = createDecided(app.api, { takeBack: (decision) => line = line.then(() => takeBack(decision)), fail: app.fail });
  const frame = createFrame({ undo: () => inTurn(undo), decided: decided.open, help: help.open, again: acts.again });
  let chosen = 0, drawn = null, timer = 0, pause = FIRST_PAUSE, isShown = false, wantedKey = "", line = Promise.resolve();
  root.append(frame.element, help.element, large.element, decided.element);

  /* Keys that come faster than answers wait for each other. */
  function inTurn(act) {
    line = line.then(act).catch((error) => { if (!isOutdated(error)) app.fail(error); });
    return line;
  }

  const inHand = () => queue.group();
  const keeperOf = (group) => group.members.find((member) => member.keeper);

  /* Shows what is in hand; with `focus` the keyboard goes to it, as what it was in is gone. */
  function draw({ said = "", focus = true } = {}) {
    const { answer, place } = queue, group = inHand();
    drawn = null;
    frame.show(answer, queue);
    if (answer.state === "working") return frame.work(answer);
    if (answer.state === "failed") return frame.put(state("The groups could not be found", answer.headline, button("Look again", acts.again, { className: "primary" })));
    if (!group) {
      frame.put(drawEnd({ any: answer.total > 0, decided: queue.undos.length, back: () => acts.go(-1) }));
      frame.tell([said, answer.total > 0 ? "That was the last group." : "Nothing is left to review."]);
      return focus && frame.focusTitle();
    }
    history.replaceState(null, "", addressOf(queue.band, group.key)); // loading the page again leads here
    drawn = drawGroup(app.api, group, { number: place, total: answer.total, acts });
    drawn.choose(chosen);
    frame.put(drawn.element);
    frame.tell([said, spokenGroup(group, place, answer.total)]);
    return focus && drawn.focus();
  }

  async function go(by) {
    if (!queue.answer || queue.answer.state !== "ready") return;
    const place = queue.place + by;
    if (place < 0 || place > queue.answer.total) return;
    await queue.load(place);
    chosen = firstOpen(inHand());
    draw();
  }

  /* The first that is to be decided on; in a group that is done, the first beside the keeper. */
  function firstOpen(group, after = 0) {
    const members = group?.members ?? [];
    const open = (member, place) => place >= after && !member.keeper && !member.decided;
    const found = [members.findIndex(open), members.findIndex((member) => !member.keeper)].find((place) => place >= 0);
    return found ?? 0;
  }

  function choose(place) {
    if (place === chosen) return;
    chosen = place;
    drawn?.choose(place);
  }

  function step(by) {
    const group = inHand();
    if (!group) return;
    choose(Math.min(Math.max(chosen + by, 0), group.members.length - 1));
    if (large.isOpen()) look();
    else drawn?.focus();
  }

  function look() {
    const group = inHand();
    if (group) large.show(group.members[chosen], keeperOf(group));
  }

  function compare(member, keeper) {
    app.go("compare", { a: member.id, b: keeper.id });
  }

  async function decide(verdict) {
    const group = inHand(), member = group?.members[chosen];
    if (!member || queue.answer.state !== "ready") return;
    if (member.keeper) return frame.said("This is the keeper: it is not compared with itself. Choose one of the others, by the arrow keys or a click.");
    const keeper = keeperOf(group), said = saidOf(verdict, member.name, keeper.name);
    if (large.isOpen()) large.close();
    const stays = await queue.decide(member, keeper, verdict);
    if (stays && isDone(inHand())) await queue.load(queue.place + 1);
    chosen = firstOpen(inHand());
    frame.did(said);
    draw({ said });
  }

  /* Another picture of the group takes the keeper's place, here; nothing is decided by it. */
  function keep() {
    const member = inHand()?.members[chosen];
    if (!member || queue.answer.state !== "ready") return;
    if (member.keeper) return frame.said("This one is the keeper already.");
    queue.keep(member);
    chosen = firstOpen(inHand());
    const said = `${shortName(member.name)} is the keeper now: what you say of the others is beside it.`;
    frame.did(said);
    draw({ said });
  }

  async function takeBack(decision) {
    await queue.forget(decision);
    chosen = firstOpen(inHand());
    draw({ focus: false });
  }

  const isDone = (group) => group.members.every((member) => member.keeper || member.decided || member.action === "keep");

  async function undo() {
    const last = await queue.undo();
    if (!last) return frame.tell(["There is nothing to undo."]);
    const place = inHand()?.members.findIndex((member) => member.id === last.member) ?? -1;
    chosen = place >= 0 ? place : firstOpen(inHand());
    const said = saidOf("forget", ...last.names);
    frame.did(said);
    return draw({ said });
  }

  async function again() {
    await queue.refresh();
    pause = FIRST_PAUSE;
    follow();
    if (queue.answer.state === "working") frame.focusTitle();
  }

  /* Draws, and asks again while the server is still finding. */
  function follow() {
    clearTimeout(timer);
    if (!isShown) return;
    const { answer } = queue;
    draw({ focus: answer.state !== "working" && frame.hasFocus() });
    if (answer.state !== "working") return;
    timer = setTimeout(() => inTurn(poll), pause);
    pause = Math.min(pause * GROWTH, LONGEST_PAUSE);
  }

  async function poll() {
    if (!isShown) return;
    await arrive(queue.answer?.groups.length ? queue.place : null, wantedKey);
  }

  /* Where the server does not answer, the view says so and offers to try once more. */
  async function arrive(place, key = "") {
    try {
      await (place === null ? queue.begin(key) : queue.load(place));
    } catch (error) {
      if (!isOutdated(error)) frame.put(state(error.message, error.hint, button("Try again", () => inTurn(() => arrive(place, key)), { className: "primary" })));
      return;
    }
    chosen = firstOpen(inHand());
    follow();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select") || help.isOpen() || decided.isOpen()) return;
    const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!act || (large.isOpen() && !act.large)) return;
    event.preventDefault();
    act.run();
  }

  const KEYS = {
    j: { run: () => acts.go(1) }, k: { run: () => acts.go(-1) },
    K: { run: () => acts.decide("keep-both"), large: true }, b: { run: () => acts.decide("keep-both"), large: true },
    s: { run: () => acts.decide("same"), large: true }, d: { run: () => acts.decide("different"), large: true },
    x: { run: acts.keep }, u: { run: () => inTurn(undo) }, "?": { run: () => help.open() },
    arrowleft: { run: () => step(-1), large: true }, arrowright: { run: () => step(1), large: true },
  };

  function show(parameters) {
    const band = parameters.get("band") ?? "";
    wantedKey = parameters.get("group") ?? "";
    if (!isShown) document.addEventListener("keydown", onKey);
    isShown = true;
    pause = FIRST_PAUSE;
    return inTurn(async () => {
      const isHere = band === queue.band && queue.answer && (!wantedKey || inHand()?.key === wantedKey);
      if (!queue.answer) frame.wait();
      queue.band = band;
      await arrive(isHere ? queue.place : null, wantedKey);
    });
  }

  function hide() {
    isShown = false;
    clearTimeout(timer);
    for (const dialog of [help, large, decided]) dialog.close();
    document.removeEventListener("keydown", onKey);
  }

  return { show, hide };
}

const addressOf = (band, group) => `#duplicates?${new URLSearchParams({ ...(band ? { band } : {}), group })}`;
