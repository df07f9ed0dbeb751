/* Sends pictures to be added, a few at a time and within what the server takes at once, and keeps what became of each.
 *
 * A few of which none can be used are sent again one by one: then each has its own reason. A failure that is no
 * picture's ends the sending; what was not sent yet is left, and can be sent later.
 */

import { sentence } from "./elements.js";
import { megabytes } from "./question.js";

const FEW = 4; // pictures that are sent together
const OF_PICTURES = ["not_a_picture", "picture", "too_large"]; // codes of the server

/* step(run) is called whenever something has become of a picture. */
export function createRun(files, { api, limits, step }) {
  const left = new Set(files), run = { total: files.length, added: [], known: [], unused: [], isStopped: false, left: () => left.size, rest: () => [...left], send };

  async function send(label) {
    run.isStopped = false;
    while (left.size && !run.isStopped) await sendSome(next(), label);
  }

  /* The first that are left, as many as go together. */
  function next() {
    const some = [];
    let bytes = 0;
    for (const file of left) {
      bytes += file.size;
      if (some.length && (bytes > limits.bytes || some.length === Math.min(FEW, limits.files))) break;
      some.push(file);
    }
    return some;
  }

  async function sendSome(some, label) {
    if (some[0].size > limits.bytes) {
      settle("unused", some[0], { reason: `It has ${megabytes(some[0].size)}; this server takes at most ${megabytes(limits.bytes)}.` });
      return;
    }
    try {
      tell(some, await api.send("/v1/items", formOf(some, label)));
    } catch (error) {
      if (!OF_PICTURES.includes(error.code)) throw error;
      if (some.length === 1) settle("unused", some[0], { reason: sentence(withoutName(error.message, some[0])) });
      else for (const file of some) await sendSome([file], label);
    }
  }

  function tell(some, { added, known, skipped }) {
    for (const item of added) settle("added", some[item.upload], { item });
    for (const item of known) settle("known", some[item.upload], { item });
    for (const { upload, reason, detail } of skipped) settle("unused", some[upload], { reason: sentence([reason.replaceAll("_", " "), detail].filter(Boolean).join(": ")) });
    for (const file of some) left.delete(file); // what was known, and went meanwhile
  }

  function settle(kind, file, found) {
    left.delete(file);
    run[kind].push({ file, ...found });
    step(run);
  }

  return run;
}

function formOf(files, label) {
  const form = new FormData();
  for (const file of files) form.append("picture", file, file.name || "pasted picture");
  if (label) form.append("label", label);
  return form;
}

const withoutName = (message, { name }) => (name && message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message);
