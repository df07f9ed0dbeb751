/* Duplicates: one group after the other, by keyboard; what a person decides is kept with the index at once.
 *
 * The server finds the groups; while it does, it is asked how far it is, ever more seldom. Nothing is moved from here.
 */

import { isOutdated } from "./api.js";
import { shortName } from "./cutting.js";
import { button, state } from "./elements.js";
import { createDecided } from "./review_decided.js";
import { createHelp, createLarge } from "./review_dialogs.js";
import { drawEnd, drawGroup } from "./review_group.js";
import { createFrame } from "./review_frame.js";
import { createQueue } from "./review_queue.js";
import { saidOf, spokenGroup } from "./review_words.js";

const FIRST_PAUSE = 300; // milliseconds until it is asked again how far the finding is
const LONGEST_PAUSE = 5000;
const GROWTH = 1.4;

export const mount = (root, app) => new Review(root, app);

class Review {
  #app; #queue; #frame; #help; #large; #decided; #acts; #keys;
  #chosen = 0; // place of the member that is marked
  #drawn = null;
  #timer = 0;
  #pause = FIRST_PAUSE;
  #isShown = false;
  #wanted = ""; // key of the group that the address names
  #line = Promise.resolve(); // keys that come faster than answers wait for each other
  #onKey = (event) => this.#press(event);

  constructor(root, app) {
    this.#app = app;
    this.#queue = createQueue(app.api);
    this.#acts = this.#makeActs();
    this.#keys = keysOf(this.#acts);
    this.#help = createHelp();
    this.#large = createLarge(app.api, this.#acts);
    this.#decided = createDecided(app.api, { takeBack: (decision) => this.#line = this.#line.then(() => this.#takeBack(decision)), fail: app.fail });
    this.#frame = createFrame({ ...this.#acts, decided: this.#decided.open });
    root.append(this.#frame.element, this.#help.element, this.#large.element, this.#decided.element);
  }

  show(parameters) {
    const band = parameters.get("band") ?? "", queue = this.#queue;
    this.#wanted = parameters.get("group") ?? "";
    if (!this.#isShown) document.addEventListener("keydown", this.#onKey);
    this.#isShown = true;
    this.#pause = FIRST_PAUSE;
    return this.#inTurn(() => {
      const isHere = band === queue.band && queue.answer && (!this.#wanted || queue.group()?.key === this.#wanted);
      if (!queue.answer) this.#frame.wait();
      queue.band = band;
      return this.#arrive(isHere ? queue.place : null, this.#wanted);
    });
  }

  hide() {
    this.#isShown = false;
    clearTimeout(this.#timer);
    for (const dialog of [this.#help, this.#large, this.#decided]) dialog.close();
    document.removeEventListener("keydown", this.#onKey);
  }

  /* What keys, buttons and clicks do. */
  #makeActs() {
    const inTurn = (act) => this.#inTurn(act);
    return {
      go: (by) => inTurn(() => this.#go(by)),
      decide: (verdict) => inTurn(() => this.#decide(verdict)),
      beside: () => inTurn(() => this.#compareWith()),
      undo: () => inTurn(() => this.#undo()),
      again: () => inTurn(() => this.#again()),
      choose: (place) => this.#choose(place),
      step: (by) => this.#step(by),
      large: () => this.#look(),
      help: () => this.#help.open(),
      compare: (member, reference) => this.#app.go("compare", { a: member.id, b: reference.id }),
    };
  }

  #inTurn(act) {
    this.#line = this.#line.then(act).catch((error) => { if (!isOutdated(error)) this.#app.fail(error); });
    return this.#line;
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, .adding") || this.#help.isOpen() || this.#decided.isOpen()) return;
    const act = this.#keys[event.key] ?? this.#keys[event.key.toLowerCase()];
    if (!act || (this.#large.isOpen() && !act.large)) return;
    event.preventDefault();
    act.run();
  }

  get #isReady() { return this.#queue.answer?.state === "ready"; }

  /* Shows what is in hand; with `focus` the keyboard goes to it, as what it was in is gone. */
  #draw({ said = "", focus = true } = {}) {
    const { answer } = this.#queue, frame = this.#frame;
    this.#drawn = null;
    frame.show(answer, this.#queue);
    if (answer.state === "working") return frame.work(answer);
    if (answer.state === "failed") return frame.put(state("The groups could not be found", answer.headline, button("Look again", this.#acts.again, { className: "primary" })));
    return this.#queue.group() ? this.#drawGroup(said, focus) : this.#drawEnd(said, focus);
  }

  #drawGroup(said, focus) {
    const { answer: { total }, place, band } = this.#queue, group = this.#queue.group();
    history.replaceState(null, "", addressOf(band, group.key)); // loading the page again leads here
    this.#drawn = drawGroup(this.#app.api, group, { number: place, total, acts: this.#acts });
    this.#drawn.choose(this.#chosen);
    this.#frame.put(this.#drawn.element);
    this.#frame.tell([said, spokenGroup(group, place, total)]);
    if (focus) this.#drawn.focus();
  }

  #drawEnd(said, focus) {
    const any = this.#queue.answer.total > 0;
    this.#frame.put(drawEnd({ any, decided: this.#queue.undos.length, back: () => this.#acts.go(-1) }));
    this.#frame.tell([said, any ? "That was the last group." : "Nothing is left to review."]);
    if (focus) this.#frame.focusTitle();
  }

  async #go(by) {
    const place = this.#queue.place + by;
    if (!this.#isReady || place < 0 || place > this.#queue.answer.total) return;
    await this.#queue.load(place);
    this.#begin();
    this.#draw();
  }

  #begin() {
    this.#chosen = firstOpen(this.#queue.group());
  }

  #choose(place) {
    if (place === this.#chosen) return;
    this.#chosen = place;
    this.#drawn?.choose(place);
  }

  #step(by) {
    const group = this.#queue.group();
    if (!group) return;
    this.#choose(Math.min(Math.max(this.#chosen + by, 0), group.members.length - 1));
    if (this.#large.isOpen()) this.#look();
    else this.#drawn?.focus();
  }

  #look() {
    const group = this.#queue.group();
    if (group) this.#large.show(group.members[this.#chosen], referenceOf(group));
  }

  async #decide(verdict) {
    const group = this.#queue.group(), member = group?.members[this.#chosen];
    if (!member || !this.#isReady) return;
    if (member.reference) {
      this.#frame.said("The others are compared with this one. Choose one of them, by the arrow keys or a click.");
      return;
    }
    const reference = referenceOf(group);
    if (this.#large.isOpen()) this.#large.close();
    const stays = await this.#queue.decide(member, reference, verdict);
    if (stays && isDone(this.#queue.group())) await this.#queue.load(this.#queue.place + 1);
    this.#begin();
    this.#tell(saidOf(verdict, member.name, reference.name));
  }

  /* The others are compared with another picture of the group; nothing is decided by it. */
  async #compareWith() {
    const member = this.#queue.group()?.members[this.#chosen];
    if (!member || !this.#isReady) return;
    if (member.reference) {
      this.#frame.said("The others are compared with this one already.");
      return;
    }
    await this.#queue.compareWith(member);
    this.#begin();
    this.#tell(`The others are compared with ${shortName(member.name)} now.`);
  }

  async #undo() {
    const last = await this.#queue.undo();
    if (!last) {
      this.#frame.tell(["There is nothing to undo."]);
      return;
    }
    const group = this.#queue.group(), place = group?.members.findIndex((member) => member.id === last.member) ?? -1;
    this.#chosen = place >= 0 ? place : firstOpen(group);
    this.#tell(saidOf("forget", ...last.names));
  }

  async #takeBack(decision) {
    await this.#queue.forget(decision);
    this.#begin();
    this.#draw({ focus: false });
  }

  /* What was done, and what is in hand now. */
  #tell(said) {
    this.#frame.did(said);
    this.#draw({ said });
  }

  async #again() {
    await this.#queue.refresh();
    this.#pause = FIRST_PAUSE;
    this.#follow();
    if (this.#queue.answer.state === "working") this.#frame.focusTitle();
  }

  /* Draws, and asks again while the server is still finding. */
  #follow() {
    clearTimeout(this.#timer);
    if (!this.#isShown) return;
    const isWorking = this.#queue.answer.state === "working";
    this.#draw({ focus: !isWorking && this.#frame.hasFocus() });
    if (!isWorking) return;
    this.#timer = setTimeout(() => this.#inTurn(() => this.#poll()), this.#pause);
    this.#pause = Math.min(this.#pause * GROWTH, LONGEST_PAUSE);
  }

  async #poll() {
    if (this.#isShown) await this.#arrive(this.#queue.answer?.groups.length ? this.#queue.place : null, this.#wanted);
  }

  /* Where the server does not answer, the view says so and offers to try once more. */
  async #arrive(place, key) {
    try {
      await (place === null ? this.#queue.begin(key) : this.#queue.load(place));
    } catch (error) {
      if (!isOutdated(error)) this.#frame.put(state(error.message, error.hint, button("Try again", () => this.#inTurn(() => this.#arrive(place, key)), { className: "primary" })));
      return;
    }
    this.#begin();
    this.#follow();
  }
}

/* large: also while a picture is looked at large. */
function keysOf({ go, decide, beside, undo, help, step }) {
  const both = { run: () => decide("keep-both"), large: true };
  return {
    j: { run: () => go(1) }, k: { run: () => go(-1) }, x: { run: beside }, u: { run: undo }, "?": { run: help },
    K: both, b: both, s: { run: () => decide("same"), large: true }, d: { run: () => decide("different"), large: true },
    arrowleft: { run: () => step(-1), large: true }, arrowright: { run: () => step(1), large: true },
  };
}

const addressOf = (band, group) => `#duplicates?${new URLSearchParams({ ...(band ? { band } : {}), group })}`;
const referenceOf = (group) => group.members.find((member) => member.reference);
const isDone = (group) => group.members.every((member) => member.reference || member.decided || (member.action === "keep" && !member.keeper));

/* The first that is to be decided on; in a group that is done, the first beside the one that is compared with. */
function firstOpen(group) {
  const members = group?.members ?? [], open = members.findIndex((member) => !member.reference && !member.decided);
  return open >= 0 ? open : Math.max(members.findIndex((member) => !member.reference), 0);
}
