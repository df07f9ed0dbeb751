/* Groups of duplicates in words: what is read out, and what stands under a picture. */

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

export const shortName = (name) => name.split("/").slice(-2).join("/");

export function factsOf({ width, height, format, bytes }) {
  const shape = [width ? `${width.toLocaleString("en")} × ${height.toLocaleString("en")}` : "", format].filter(Boolean).join(" ");
  return [shape, bytes ? inBytes(bytes) : ""].filter(Boolean).join(", ");
}

/* keep: the keeper; stay: others that stay; go: what a plan would move. */
export const kindOf = (member) => (member.keeper ? "keep" : member.action === "move" ? "go" : "stay");
export const KINDS = { keep: "keeper", stay: "stays", go: "would go" };
export const DECIDED = { same: "You: the same", different: "You: not a duplicate", "keep-both": "You: keep both" };

export function spokenMember(member) {
  const decided = member.decided ? `${DECIDED[member.decided]}.` : "";
  return [`${member.name}, ${KINDS[kindOf(member)]}.`, `${factsOf(member)}.`, member.reason, decided, "Enter shows it large."].filter(Boolean).join(" ");
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
  same: (a, b) => `${a} is the same as ${b}: a plan may move it.`,
  different: (a, b) => `${a} is not a duplicate of ${b}.`,
  "keep-both": (a, b) => `${a} and ${b} both stay.`,
  forget: (a, b) => `Taken back: nothing is decided of ${a} and ${b}.`,
};

/* What a decision did, in a sentence. */
export const saidOf = (verdict, a, b) => VERDICTS[verdict](shortName(a), shortName(b));
