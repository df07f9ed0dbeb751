/* The pictures that are to be added: dropped, pasted or chosen, and shown before they are sent. */

import { cut } from "./cutting.js";
import { button, count, icon, make } from "./elements.js";
import { inBytes } from "./review_words.js";

const SHOWN = 12;

/* changed() is called when there are others. */
export function createChosen({ changed }) {
  const picker = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.dng,.cr2,.nef,.arw", multiple: true, hidden: true });
  const told = make("p", { role: "status" }), list = make("ul", { className: "adding-files" });
  const choose = button("Choose pictures", () => picker.click(), { sign: "picture" }), none = button("None of them", clear, { className: "plain" });
  const element = make("div", { className: "adding-drop" }, icon("upload"), make("div", {}, told, list), make("div", { className: "row" }, choose, none), picker);
  let files = [], urls = [];

  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = "";
  });

  function take(more) {
    files = [...files, ...more.filter((file) => !files.some((other) => isOne(file, other)))];
    show();
    changed();
  }

  function clear() {
    files = [];
    show();
    changed();
    choose.focus();
  }

  function show() {
    for (const url of urls) URL.revokeObjectURL(url);
    urls = files.slice(0, SHOWN).map((file) => URL.createObjectURL(file));
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    told.textContent = files.length ? `${count(files.length, "picture")}, ${inBytes(bytes)}` : "Drop pictures here, paste them, or choose files.";
    list.hidden = none.hidden = !files.length;
    list.replaceChildren(...urls.map((url, place) => entry(files[place], url)));
    if (files.length > SHOWN) list.append(make("li", { className: "quiet small", textContent: `and ${(files.length - SHOWN).toLocaleString("en")} more` }));
    choose.lastElementChild.textContent = files.length ? "Choose more" : "Choose pictures";
  }

  show();
  return { element, take, clear, focus: () => choose.focus(), files: () => files, forget: () => { files = []; show(); } };
}

/* One that this browser cannot show may still be one that the server can read. */
function entry(file, url) {
  const image = make("img", { src: url, alt: "" });
  image.onerror = () => image.replaceWith(icon("picture"));
  return make("li", {}, make("span", { className: "picture" }, image), cut(file.name || "pasted picture", { className: "small" }));
}

const isOne = (file, other) => file === other || (file.name === other.name && file.size === other.size && file.lastModified === other.lastModified);
