/* Groups of duplicates in words: what is read out, and what stands under a picture. */

import { shortName } from "./cutting.js";
import { count } from "./elements.js";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/* A size that a person reads, as the command line says it. */
export function inBytes(bytes) {
  let size = bytes, unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  if (unit === 0) return count(bytes, "byte");
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size).toLocaleString("en")} ${UNITS[unit]}`;
}

export function factsOf({ width, height, format, bytes }) {
  const shape = [width ? `${width.toLocaleString("en")} × ${height.toLocaleString("en")}` : "", format].filter(Boolean).join(" ");
  return [shape, bytes ? inBytes(bytes) : ""].filter(Boolean).join(", ");
}

/* What a plan by the usual rule does with it. */
export const kindOf = (member) => (member.action === "move" ? "go" : "stay");
export const KINDS = { stay: "would stay", go: "would go" };
export const REFERENCE = "compared with";
export const DECIDED = { same: "You: duplicates", different: "You: not duplicates", "keep-both": "You: keep both" };
export const RISK = "a plan (lookalike duplicates --plan) may move one of them away";

export function spokenMember(member) {
  const decided = member.decided ? `${DECIDED[member.decided]}.` : "";
  const kinds = [KINDS[kindOf(member)], ...(member.reference ? ["the others are compared with it"] : [])].join(", ");
  return [`${member.name}, ${kinds}.`, `${factsOf(member)}.`, member.reason, decided, "Enter shows it large."].filter(Boolean).join(" ");
}

export function spokenGroup(group, place, total) {
  const others = group.members.filter((member) => !member.keeper);
  const evidence = others.slice(0, 3).map((member) => `${shortName(member.name)}: ${member.reason}`);
  const more = others.length > 3 ? `And ${others.length - 3} more.` : "";
  return [`Group ${place + 1} of ${total}. ${group.band}, ${count(group.members.length, "picture")}, frees ${inBytes(group.bytes)}.`, ...evidence, more].filter(Boolean).join(" ");
}

/* The day of a time, as its reader writes days. */
export const dayOf = (made) => (Number.isNaN(Date.parse(made)) ? made : new Date(made).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" }));

const VERDICTS = {
  same: (a, b) => `${a} and ${b} are duplicates: ${RISK}.`,
  different: (a, b) => `${a} and ${b} are not duplicates.`,
  "keep-both": (a, b) => `${a} and ${b} both stay.`,
  forget: (a, b) => `Taken back: nothing is decided of ${a} and ${b}.`,
};

/* What a decision did, in a sentence. */
export const saidOf = (verdict, a, b) => VERDICTS[verdict](shortName(a), shortName(b));
