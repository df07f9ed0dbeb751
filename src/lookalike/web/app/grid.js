/* A grid of tiles that grows page by page. One tile can be reached by Tab; arrow keys go to the others. */

import { button, make } from "./elements.js";

const PLACEHOLDERS = 18;
const PATIENCE = 150; // milliseconds before placeholders show

export function createGrid({ name, more }) {
  const list = make("ul", { className: "grid", role: "list", "aria-label": name });
  const further = button("Show more", () => more(), { hidden: true, className: "further" });
  const element = make("div", { className: "grid-frame" }, list, further);
  let placeholders = 0, isFurtherFocused = false;

  const openers = () => [...list.querySelectorAll(".tile > .picture")];

  function reach(opener) {
    for (const each of list.querySelectorAll("button[tabindex='0']")) each.tabIndex = -1;
    for (const each of opener.closest(".tile").querySelectorAll("button")) each.tabIndex = 0;
  }

  function columns(found) {
    const top = found[0].parentElement.offsetTop, next = found.findIndex((each) => each.parentElement.offsetTop !== top);
    return next < 0 ? found.length : next;
  }

  list.addEventListener("focusin", (event) => reach(event.target));
  list.addEventListener("keydown", (event) => {
    const found = openers(), here = found.indexOf(event.target.closest(".tile")?.querySelector(".picture"));
    if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(found), ArrowUp: -columns(found), Home: -here, End: found.length - 1 - here };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const target = found[Math.min(Math.max(here + steps[event.key], 0), found.length - 1)];
    reach(target);
    target.focus();
  });

  function settle() {
    clearTimeout(placeholders);
    element.removeAttribute("aria-busy");
    further.disabled = false;
  }

  return {
    element,
    /* Whether the grid, or something in it, has the focus. */
    hasFocus: () => element.contains(document.activeElement),
    /* The first page is on its way: what is there grows pale, an empty grid gets placeholders. */
    wait() {
      settle();
      element.setAttribute("aria-busy", "true");
      isFurtherFocused = document.activeElement === further; // which a disabled button loses
      further.disabled = true;
      placeholders = setTimeout(() => {
        if (!openers().length) list.replaceChildren(...Array.from({ length: PLACEHOLDERS }, () => make("li", { className: "tile", "aria-hidden": "true" }, make("div", { className: "picture waiting" }))));
      }, PATIENCE);
    },
    fill(tiles, { isMore }) {
      settle();
      list.replaceChildren(...tiles);
      further.hidden = !isMore;
      if (tiles.length) reach(openers()[0]);
    },
    append(tiles, { isMore }) {
      settle();
      list.append(...tiles);
      further.hidden = !isMore;
      if (isFurtherFocused && tiles.length) tiles[0].querySelector(".picture").focus();
    },
    clear() {
      settle();
      list.replaceChildren();
      further.hidden = true;
    },
    stop: settle,
  };
}
