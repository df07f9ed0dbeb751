/* What is said of answers: beside them, aloud, and of a failure in their place. Words only: nothing is drawn. */

import { count, sentence } from "./elements.js";
import { FORGOTTEN, OF_UPLOADS, isCombined, isJudged } from "./question.js";
import { judgeOf, judgedBy } from "./thresholds.js";
import { shownThreshold } from "./tiles.js";

export function titleOf(question, items) {
  if (!items.length) return "No answers";
  return isCombined(question) ? "Most alike to all of it" : "Most alike";
}

/* By what answers are judged, or why by nothing. */
export function noteOf(question, found, thresholds) {
  const fast = found.exact ? [] : ["looked up fast: now and then one is missed"];
  const chances = found.hits.some(({ probability }) => typeof probability === "number") ? ["%: how likely they show the same"] : [];
  return [...verdictsOf(question, found, thresholds), ...chances, ...fast].join(" · ");
}

function verdictsOf(question, { threshold }, thresholds) {
  if (typeof threshold === "number") return [matchOf(threshold, judgeOf(question.threshold, thresholds), thresholds)];
  if (isCombined(question)) return ["no verdicts: a threshold is made for two pictures"];
  if (isJudged(question)) return [Object.keys(thresholds).length ? "no verdicts: no threshold of the model says what is the same" : "no verdicts: the model has no threshold yet"];
  return question.pictures.length ? ["no verdicts: a threshold says what is alike, not what is unlike"] : [];
}

/* From where on two match, and what that promises, without how it was measured. */
function matchOf(similarity, name, thresholds) {
  const promise = thresholds[name]?.promise.split(" (")[0];
  return `match from ${shownThreshold(similarity)} on${judgedBy(name, thresholds)}${promise ? `: ${promise}` : ""}`;
}

export function spokenOf(items, { threshold }, { isMore }) {
  if (!items.length) return "No answers";
  const matches = items.filter((hit) => hit.match === true).length, judged = typeof threshold === "number" ? `, ${count(matches, "match", "matches")}` : "";
  return `${isMore ? "The first " : ""}${count(items.length, "answer")}${judged}`;
}

/* Which picture a failure is about, where it is one of the uploads and the message does not name it. */
export function blamed({ code, message }, question, basket) {
  const names = question.pictures.filter(({ file }) => file !== undefined).map(({ file }) => basket.file(file)?.name || "pasted picture");
  if (!OF_UPLOADS.includes(code) || code === FORGOTTEN || names.some((name) => message.includes(name))) return sentence(message);
  return names.length === 1 ? `${names[0]}: ${sentence(message)}` : `One of ${names.join(", ")}: ${sentence(message)}`;
}
