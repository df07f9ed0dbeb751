/* Short messages over the page: what happened is read out and goes by itself; what failed stays until it is closed. */

import { isOutdated } from "./api.js";
import { iconButton, make } from "./elements.js";

const SECONDS = 5;

export function createMessages(place) {
  function put(role, ...parts) {
    const close = iconButton("close", "Close this message", () => message.remove());
    const message = make("div", { className: `message ${role}`, role }, make("div", {}, ...parts), close);
    place.replaceChildren(message);
    return message;
  }

  return {
    say(text) {
      const message = put("status", make("p", { textContent: text }));
      setTimeout(() => message.remove(), SECONDS * 1000);
    },
    fail(error) {
      if (isOutdated(error)) return;
      put("alert", make("p", { textContent: error.message }), error.hint ? make("p", { className: "quiet", textContent: error.hint }) : null);
      if (!error.code) console.error(error); // no answer of the server: a fault of this page
    },
  };
}
