/* One group of duplicates, drawn: its pictures with what would become of them and why, and what can be said of them. */

import { cut, shortName } from "./cutting.js";
import { button, count, iconButton, make } from "./elements.js";
import { DECIDED, KINDS, REFERENCE, factsOf, inBytes, kindOf, spokenMember } from "./review_words.js";
import { thumbnail } from "./tiles.js";

const SIDE = devicePixelRatio > 1 ? 768 : 384; // of a thumbnail, in pixels

/* acts: { go(step), choose(place), large(), decide(verdict), beside() }. What leaves has choose(place), which marks a member, and
 * focus(), which goes to the one that is marked. */
export function drawGroup(api, group, { number, total, acts }) {
  const members = group.members.map((member, place) => memberOf(api, member, { take: () => acts.choose(place), large: acts.large }));
  const question = make("div", { className: "decide", "aria-label": "Decide", role: "group" });
  const element = make("article", { className: "group", "aria-label": `Group ${number + 1} of ${total}` },
    headOf(group, number, total, acts),
    make("ul", { className: "members", "aria-label": "Pictures of the group; arrow keys go from one to the next" }, ...members), question);
  let marked = 0;

  function choose(place) {
    marked = place;
    members.forEach((member, other) => {
      member.classList.toggle("is-chosen", other === place);
      member.firstElementChild.tabIndex = other === place ? 0 : -1;
    });
    question.replaceChildren(...questionOf(group, place, acts));
  }

  /* Not under what stays at the edges of the window. */
  function focus() {
    members[marked].firstElementChild.focus({ preventScroll: true });
    members[marked].scrollIntoView({ block: "nearest" });
  }

  return { element, choose, focus };
}

function headOf(group, number, total, acts) {
  const frees = group.bytes > 0 ? `frees ${inBytes(group.bytes)}` : "nothing to free";
  return make("header", { className: "group-head" },
    iconButton("left", "Previous group (K)", () => acts.go(-1), { disabled: number === 0 }),
    make("h2", {}, `Group ${number + 1} `, make("span", { className: "quiet", textContent: `of ${total.toLocaleString("en")}` })),
    iconButton("right", "Next group (J)", () => acts.go(1)),
    make("p", { className: "group-facts" }, make("span", { className: "band", textContent: group.band }), ` ${count(group.members.length, "picture")}, ${frees}`));
}

function memberOf(api, member, { take, large }) {
  const kind = kindOf(member);
  const open = make("button", {
    type: "button", className: "picture", "data-member": member.id, "aria-label": spokenMember(member), onfocus: take, onclick: large,
  }, thumbnail(api.thumb(member.id, SIDE)));
  return make("li", { className: `member ${kind}${member.keeper ? " keep" : ""}${member.reference ? " reference" : ""}` }, open,
    make("div", { className: "member-words", "aria-hidden": "true" },
      make("p", {}, make("span", { className: `kind ${kind}`, textContent: KINDS[kind] }), member.reference ? make("span", { className: "beside", textContent: REFERENCE }) : null, member.decided ? make("span", { className: "decided", textContent: DECIDED[member.decided] }) : null),
      make("p", { className: "member-name", title: member.name }, make("bdi", { textContent: shortName(member.name) })),
      make("p", { className: "quiet", textContent: factsOf(member) }),
      make("p", { className: "quiet why" }, make("bdi", { textContent: member.reason }))));
}

function questionOf(group, chosen, acts) {
  const member = group.members[chosen], reference = group.members.find((each) => each.reference);
  const asked = member.reference
    ? make("p", { className: "quiet", textContent: "The others are compared with this one. Choose one of them to say what the two are." })
    : make("p", {}, "Are ", make("strong", {}, cut(shortName(member.name), { whole: member.name })), " and ", cut(shortName(reference.name), { whole: reference.name }), " duplicates of each other?");
  const choice = (key, text, verdict) => {
    const made = button(text, () => acts.decide(verdict), { disabled: member.reference, "aria-keyshortcuts": key, "data-verdict": verdict });
    if (member.decided === verdict) made.setAttribute("aria-pressed", "true");
    made.append(make("kbd", { textContent: key, "aria-hidden": "true" }));
    return made;
  };
  const beside = button("Compare with this one", acts.beside, { disabled: member.reference, "aria-keyshortcuts": "X", className: "plain", title: "The others are compared with it. What stays of a group is chosen by the rule of the plan, --keep." });
  beside.append(make("kbd", { textContent: "X", "aria-hidden": "true" }));
  return [asked, make("div", { className: "row" }, beside, choice("S", "Duplicates", "same"), choice("B", "Keep both", "keep-both"), choice("D", "Not duplicates", "different"))];
}

/* After the last group, and where there is none: what to type, as the page moves nothing. */
export function drawEnd({ any, decided, back }) {
  const command = (text) => make("pre", { className: "command" }, make("code", { textContent: text }));
  return make("article", { className: "group group-end" },
    make("h2", { textContent: any ? "That was the last group" : "Nothing is left to review" }),
    make("p", { className: "quiet", textContent: decided ? `${count(decided, "decision")} of this visit ${decided === 1 ? "is" : "are"} kept with the index.` : "Decisions that were made before hold." }),
    make("p", { textContent: "This page moves no file. A plan says what would go; applying it puts files aside, and can be undone:" }),
    command("lookalike duplicates INDEX --plan plan.json"), command("lookalike apply plan.json --dry-run"), command("lookalike apply plan.json"),
    make("p", { className: "quiet", textContent: "What you said of pairs holds for the plan. Of each group it keeps one by a rule, and --keep says which, for example --keep oldest." }),
    make("p", { className: "quiet small", textContent: "INDEX is the index that this server was started with." }),
    make("p", { className: "row" }, any ? button("Back to the last group", back, { sign: "left" }) : null));
}
