/* The folders of the collection, level by level: each level is asked for when it is opened.
 *
 * All of them are one stop of the Tab key: up and down go from folder to folder, right opens one, left closes it.
 */

import { button, icon, make } from "./elements.js";
import { visible } from "./make.js";

/* choose(name) is called with a folder, or "" for all. */
export function createFolders(api, choose, fail) {
  const list = make("ul", { className: "folders", "aria-label": "Folders. Up and down go from one to the next, right opens, left closes." });
  let chosen = "", loaded = null; // the generation of the index whose folders these are

  /* One page of a level; the entry that brings the next makes way for it. */
  async function level(below, place, skip = 0) {
    const { folders, next, total } = await api.get("/v1/folders", { below, skip });
    const further = button(`${(total - (next ?? 0)).toLocaleString("en")} more`, () => level(below, place, next).catch(fail), { className: "plain folder-more", tabIndex: -1 });
    if (skip) place.lastElementChild.remove();
    const before = place.children.length;
    place.append(...folders.map(entry), ...(next === null ? [] : [make("li", {}, further)]));
    mark();
    if (skip) place.children[before]?.querySelector(".folder-name").focus();
  }

  function entry({ name, count, folders }) {
    const inner = make("ul", { hidden: true }), text = name.split("/").at(-1);
    const opener = make("button", { type: "button", className: folders ? "plain folder-open" : "plain folder-open leaf", disabled: !folders, "aria-expanded": "false", "aria-label": `Folders in ${visible(text)}`, tabIndex: -1 }, icon("right"));
    opener.onclick = () => open(opener, inner, name).catch(fail);
    const pick = make("button", { type: "button", className: "plain folder-name", title: visible(name), "data-folder": name, tabIndex: -1, onclick: () => choose(chosen === name ? "" : name) }, make("bdi", { textContent: text }), make("span", { className: "quiet", textContent: count.toLocaleString("en") }));
    return make("li", {}, make("div", { className: "folder" }, opener, pick), inner);
  }

  async function open(opener, inner, name) {
    const opens = inner.hidden;
    if (opens && !inner.children.length) await level(name, inner);
    inner.hidden = !opens;
    opener.setAttribute("aria-expanded", String(opens));
  }

  function mark() {
    const names = [...list.querySelectorAll("[data-folder]")];
    for (const each of names) each.setAttribute("aria-pressed", String(each.dataset.folder === chosen));
    if (!names.some(({ tabIndex }) => tabIndex === 0) && names.length) names[0].tabIndex = 0;
  }

  list.addEventListener("focusin", ({ target }) => {
    for (const each of list.querySelectorAll("[tabindex='0']")) each.tabIndex = -1;
    target.tabIndex = 0;
  });
  list.addEventListener("keydown", (event) => {
    const found = [...list.querySelectorAll(".folder-name, .folder-more")].filter((each) => each.offsetParent);
    const here = found.indexOf(event.target), opener = event.target.parentElement.querySelector(".folder-open");
    const isOpen = opener?.getAttribute("aria-expanded") === "true", step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const turns = (event.key === "ArrowRight" && !isOpen) || (event.key === "ArrowLeft" && isOpen);
    if (here < 0 || (!step && !turns)) return;
    event.preventDefault();
    if (step) found[here + step]?.focus();
    else opener?.click();
  });

  return {
    element: make("div", { className: "folders-frame" }, list),
    async show(folder, generation) {
      chosen = folder;
      if (loaded !== generation) {
        loaded = generation;
        list.replaceChildren();
        await level("", list);
        if (list.children.length === 1 && !list.querySelector(".leaf")) await open(list.querySelector(".folder-open"), list.querySelector("ul"), list.querySelector("[data-folder]").dataset.folder);
      }
      mark();
    },
  };
}
