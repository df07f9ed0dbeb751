/* A picture is taken out of the collection once that is confirmed; what becomes of its file is said before. */

import { button, make } from "./elements.js";
import { visible } from "./make.js";
import { thumbnail } from "./tiles.js";

const WORDS = [
  "It will not be found any more. Its file stays where it is on the server's disk.",
  "A picture that was added from here stays out. One that lies in an indexed folder comes back when that folder is indexed again, unless its file is gone by then.",
];

/* removed(item) is called when it is out. */
export function createRemoving(app, { removed }) {
  const picture = make("span", { className: "picture" }), name = make("bdi", { className: "removing-name" });
  const take = button("Take it out", null, { className: "primary" }), leave = button("Leave it", () => element.close());
  const element = make("dialog", { className: "removing", "aria-labelledby": "removing-title", "aria-describedby": "removing-words" },
    make("header", {}, make("h2", { id: "removing-title", textContent: "Take this picture out of the collection?" })),
    make("div", { className: "removing-picture" }, picture, name),
    make("div", { id: "removing-words" }, make("p", { textContent: WORDS[0] }), make("p", { className: "quiet small", textContent: WORDS[1] })),
    make("p", { className: "row" }, leave, take));

  async function remove(item) {
    take.disabled = true;
    try {
      await app.api.remove(`/v1/items/${item.id}`);
      element.close();
      await removed(item);
    } catch (error) {
      element.close(); // what is said of it would lie below
      app.fail(error);
    } finally {
      take.disabled = false;
    }
  }

  function ask(item) {
    picture.replaceChildren(thumbnail(app.api.thumb(item.id, 192)));
    name.textContent = visible(item.name);
    take.onclick = () => remove(item);
    element.showModal();
    leave.focus();
  }

  return { element, ask, close: () => element.close() };
}
