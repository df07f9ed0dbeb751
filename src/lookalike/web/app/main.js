/* The page: which view is shown is what the address says after #, for example #search?id=5.
 *
 * A view is a module with mount(root, app) -> { show(parameters), hide() }; parameters are URLSearchParams. It is
 * loaded when it is first shown, and stays. `app` is all that views share.
 */

import { createApi, openSession } from "./api.js";
import { createBasket } from "./basket.js";
import { watchDrops, watchPaste } from "./dropping.js";
import { button, count, field, make, state } from "./elements.js";
import { createMessages } from "./messages.js";

const VIEWS = {
  search: { title: "Search", load: () => import("./search.js") },
  compare: { title: "Compare", load: () => import("./compare.js") },
  duplicates: { title: "Duplicates", load: () => import("./review.js") },
  threshold: { title: "Threshold", load: () => import("./threshold.js") },
  map: { title: "Map", load: () => import("./map_view.js") },
};
const FIRST = "search";

const main = document.getElementById("main");
const messages = createMessages(document.getElementById("messages"));
const app = { api: createApi(), info: null, basket: createBasket(), go, say: messages.say, fail: messages.fail };
const mounted = new Map(); // name to { root, view }
let shown = null;
let turn = 0; // a view that is loaded after another was asked for is not shown

function go(view, parameters = {}) {
  const text = (parameters instanceof URLSearchParams ? parameters : new URLSearchParams(parameters)).toString();
  const address = text ? `#${view}?${text}` : `#${view}`;
  if (location.hash === address) route();
  else location.hash = address;
}

function asked() {
  const [name, parameters = ""] = location.hash.slice(1).split(/\?(.*)/s);
  return { name: Object.hasOwn(VIEWS, name) ? name : FIRST, parameters: new URLSearchParams(parameters) };
}

async function route() {
  const { name, parameters } = asked(), mine = (turn += 1);
  mark(name);
  try {
    const { root, view } = await opened(name);
    if (mine !== turn) return;
    if (shown !== name) enter(name, root);
    await view.show(parameters);
  } catch (error) {
    app.fail(error);
  }
}

async function opened(name) {
  if (!mounted.has(name)) {
    const { mount } = await VIEWS[name].load();
    const root = make("div", { className: `view view-${name}`, hidden: true });
    if (!mounted.has(name)) {
      mounted.set(name, { root, view: mount(root, app) });
      main.append(root);
    }
  }
  return mounted.get(name);
}

function enter(name, root) {
  if (shown) {
    mounted.get(shown).view.hide();
    mounted.get(shown).root.hidden = true;
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  root.hidden = false;
  shown = name;
}

function mark(name) {
  document.title = `${VIEWS[name].title} · lookalike`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/* Dropped and pasted pictures are asked about in the search, whatever view is open; its filters stay. */
function take(files, { add }) {
  const { name, parameters: before } = asked(), parameters = name === FIRST ? before : new URLSearchParams();
  if (!add) ["id", "file", "attributes"].forEach((key) => parameters.delete(key));
  for (const file of files) parameters.append("file", app.basket.keep(file));
  go(FIRST, parameters);
}

function asksSomething() {
  const { name, parameters } = asked();
  return name === FIRST && (parameters.has("id") || parameters.has("file"));
}

function describe(info) {
  document.getElementById("collection").textContent = `${count(info.items, "picture")} · ${info.model.name}`;
}

/* A server that asks for a token, opened without one. */
function askForToken() {
  const input = make("input", { type: "password", autocomplete: "off", required: true });
  const form = make("form", { className: "row", onsubmit: (event) => {
    event.preventDefault();
    app.api.post("/v1/session", { token: input.value }).then(start, app.fail);
  } }, field("Token", input), button("Open", null, { type: "submit", className: "primary" }));
  main.replaceChildren(state("This server asks for a token", "Open the address that lookalike serve printed, or type the token in."), form);
}

async function start() {
  try {
    await openSession(app.api);
    app.info = await app.api.get("/v1/info");
  } catch (error) {
    if (error.status === 401) askForToken();
    else main.replaceChildren(state(error.message, error.hint, button("Try again", start, { className: "primary" })));
    return;
  }
  main.replaceChildren();
  describe(app.info);
  addEventListener("hashchange", route);
  watchDrops(take, { canAdd: asksSomething, refuse: app.say });
  watchPaste(take);
  await route();
}

history.scrollRestoration = "manual"; // views know what they show, the browser does not
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});
start();
