/* Pictures that are dropped anywhere on the page, or pasted. A view with a place of its own for them marks it with
 * data-drops and deals with them there. */

import { icon, make } from "./elements.js";

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const isOwn = (event) => event.target instanceof Element && event.target.closest("[data-drops]") !== null;

/* A folder comes as a file that cannot be read. */
export function filesOf({ items, files }) {
  const folders = [...items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.()?.isDirectory);
  return [...files].filter((_, place) => !folders[place]);
}

/* take(files, { add }): `add` where they join what is asked already; keep(files) where the collection is to have them, if it
 * can; refuse(text) where there is none to take. */
export function watchDrops(take, { canAdd, keep, canKeep, refuse }) {
  const whole = zone("search", "Drop to search with it", "Its most similar pictures of the collection come next");
  const joined = zone("compare", "Drop to ask with it as well", "It joins what is asked");
  const kept = zone("plus", "Drop to add it to the collection", "You can give it a label first");
  const cover = make("div", { className: "drop-cover", hidden: true }, whole, joined, kept);
  document.body.append(cover);
  let depth = 0;

  function close() {
    depth = 0;
    cover.hidden = true;
  }

  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    if (isOwn(event)) return;
    joined.hidden = !canAdd();
    kept.hidden = !canKeep();
    cover.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) close();
  });
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    for (const each of [whole, joined, kept]) each.classList.toggle("over", each.contains(event.target));
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    close();
    if (isOwn(event)) return;
    const files = filesOf(event.dataTransfer);
    if (!files.length) refuse("A folder cannot be taken: drop pictures.");
    else if (kept.contains(event.target)) keep(files);
    else take(files, { add: joined.contains(event.target) });
  });
}

export function watchPaste(take) {
  document.addEventListener("paste", (event) => {
    if (event.defaultPrevented || event.target.closest?.("[data-drops]")) return;
    const files = [...(event.clipboardData?.files ?? [])], isText = event.clipboardData?.types.includes("text/plain");
    if (!files.length || (isText && event.target.closest?.("input, textarea"))) return; // a text is for the field
    event.preventDefault();
    take(files, { add: false });
  });
}

function zone(sign, title, hint) {
  return make("div", { className: "drop-zone" }, icon(sign), make("strong", { textContent: title }), make("span", { className: "quiet", textContent: hint }));
}
