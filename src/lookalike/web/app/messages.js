/* Short messages over the page: what happened is read out and goes by itself; what failed stays until it is closed,
 * or until the same request, or any where the server did not answer, is answered after all. */

import { UNREACHABLE, isOutdated } from "./api.js";
import { iconButton, make, sentence } from "./elements.js";

const SECONDS = 5;

export function createMessages(place) {
  let failed = null; // the error that is shown

  function put(role, ...parts) {
    const close = iconButton("close", "Close this message", () => message.remove());
    const message = make("div", { className: `message ${role}`, role }, make("div", {}, ...parts), close);
    place.replaceChildren(message);
    failed = null;
    return message;
  }

  return {
    say(text) {
      const message = put("status", make("p", { textContent: text }));
      setTimeout(() => message.remove(), SECONDS * 1000);
    },
    fail(error) {
      if (isOutdated(error)) return;
      put("alert", make("p", { textContent: sentence(error.message) }), error.hint ? make("p", { className: "quiet", textContent: sentence(error.hint) }) : null);
      failed = error;
      if (!error.code) console.error(error); // no answer of the server: a fault of this page
    },
    /* A request was answered: what was said of it is out of date. */
    worked(request) {
      if (!failed || (failed.request !== request && failed.code !== UNREACHABLE)) return;
      place.replaceChildren();
      failed = null;
    },
  };
}
