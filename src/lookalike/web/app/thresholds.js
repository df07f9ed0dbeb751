/* Which of the model's thresholds judges where nobody has chosen one, and how it is called: the same in every view. */

const USUAL = "default", USUAL_MEANING = "the same";

/* The one that was chosen, else the model's own, else the first that there is; "": there is none, and no verdict. */
export const thresholdOf = (chosen, thresholds) => chosen || (thresholds[USUAL] ? USUAL : Object.keys(thresholds)[0] ?? "");

/* The one by which answers are judged: it has to say what is the same, unless another was chosen; "": none does. */
export function judgeOf(chosen, thresholds) {
  if (chosen || thresholds[USUAL]) return chosen || USUAL;
  return Object.keys(thresholds).find((name) => (thresholds[name].meaning ?? USUAL_MEANING) === USUAL_MEANING) ?? "";
}

/* Whether there is another one than that which is meant anyway; its name is to be seen. */
export const offersChoice = (thresholds) => Object.keys(thresholds).some((name) => name !== USUAL);

/* Its name, and what two pictures are that match by it where that is not "the same" and the name does not begin to say it. */
export function calledAs(name, thresholds) {
  const { meaning = USUAL_MEANING } = thresholds[name] ?? {};
  if (meaning === USUAL_MEANING) return name;
  return meaning.startsWith(name) ? meaning : `${name}: ${meaning}`;
}

/* A verdict by it, in a note beside the answers; nothing where it is the model's own, for "the same". */
export function judgedBy(name, thresholds) {
  const called = calledAs(name, thresholds);
  return called === USUAL ? "" : ` (${called})`;
}
