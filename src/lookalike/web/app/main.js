/* The page: which view is shown is what the address says after #, for example #search?id=5.
 *
 * A view is a module with mount(root, app) -> { show(parameters), hide() }; parameters are URLSearchParams. It is
 * loaded when it is first shown, and stays. `app` is all that views share.
 */

import { createAdding } from "./adding.js";
import { ApiError, createApi, openSession } from "./api.js";
import { createBasket } from "./basket.js";
import { watchDrops, watchPaste } from "./dropping.js";
import { button, count, field, make, sentence, state } from "./elements.js";
import { mayPass } from "./hints.js";
import { createMessages } from "./messages.js";
import { createPlaces } from "./places.js";

const VIEWS = {
  search: { title: "Search", load: () => import("./search.js") },
  compare: { title: "Compare", load: () => import("./compare.js") },
  duplicates: { title: "Duplicates", load: () => import("./review.js") },
  threshold: { title: "Threshold", load: () => import("./threshold.js") },
  map: { title: "Map", load: () => import("./map_view.js") },
};
const FIRST = "search";

const main = document.getElementById("main");
const messages = createMessages(document.getElementById("messages")), places = createPlaces();
const app = {
  api: createApi({ worked: messages.worked, locked: askForToken }),
  basket: createBasket(),
  place: places.here(), // of this entry of the history: { scroll }, and what a view keeps there
  go,
  say: messages.say,
  fail: (error) => { if (!isLocked || error.status !== 401) messages.fail(error); },
  get info() { return info; },
  set info(found) { info = found; describe(found); },
  refreshInfo: async () => { app.info = await app.api.get("/v1/info"); },
  changed: async () => { await app.refreshInfo(); await route(); }, // the collection was, from here
};
const adding = createAdding(app);
app.add = adding.open; // where info.writable
const instead = make("div", { className: "view", hidden: true }); // what stands in the place of a view
const mounted = new Map(); // name to { root, view }
let info = null, shown = null, isLocked = false, isStarted = false, isSettled = false;
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
  if (isLocked) return;
  const { name, parameters } = asked(), mine = (turn += 1);
  isSettled = false;
  app.place = places.here();
  const { scroll } = app.place;
  mark(name);
  try {
    const { root, view } = await opened(name);
    if (mine !== turn) return;
    if (shown !== name) enter(name, root);
    await view.show(parameters);
    if (scroll && mine === turn) scrollTo(0, scroll);
  } catch (error) {
    if (mine !== turn) return;
    if (mounted.has(name)) app.fail(error);
    else stumble(error);
  } finally {
    if (mine === turn) {
      isSettled = true;
      app.place.scroll = scrollY;
    }
  }
}

async function opened(name) {
  if (!mounted.has(name)) {
    const { mount } = await loaded(name);
    const root = make("div", { className: `view view-${name}`, hidden: true });
    if (!mounted.has(name)) {
      mounted.set(name, { root, view: mount(root, app) });
      main.append(root);
    }
  }
  return mounted.get(name);
}

/* A browser says little of a module that did not come; whether the server answers says more. */
async function loaded(name) {
  try {
    return await VIEWS[name].load();
  } catch (error) {
    console.warn(error);
    await app.refreshInfo();
    throw new ApiError({ code: "not-loaded", message: "A part of this page could not be loaded.", hint: "Reload the page." });
  }
}

/* A view that cannot be opened: why stands in its place. */
function stumble(error) {
  const again = error.code === "not-loaded" ? button("Reload the page", () => location.reload(), { className: "primary" }) : button("Try again", route, { className: "primary" });
  stand(state(sentence(error.message), sentence(error.hint), again));
  if (!error.code) console.error(error);
}

function stand(...content) {
  leave();
  instead.replaceChildren(...content);
  instead.hidden = false;
}

function leave() {
  if (!shown) return;
  mounted.get(shown).view.hide();
  mounted.get(shown).root.hidden = true;
  shown = null;
}

function enter(name, root) {
  const isFirst = !shown && instead.hidden;
  leave();
  instead.hidden = true;
  if (!isFirst) {
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

function describe({ items, model }) {
  document.getElementById("collection").textContent = `${count(items, "picture")} · ${model.name}`;
}

/* A server that asks for a token, opened without one, or after the session has ended. */
function askForToken() {
  if (isLocked) return;
  isLocked = true;
  const input = make("input", { type: "password", autocomplete: "off", required: true });
  const form = make("form", { className: "row", onsubmit: (event) => {
    event.preventDefault();
    app.api.post("/v1/session", { token: input.value }).then(start, messages.fail);
  } }, field("Token", input), button("Open", null, { type: "submit", className: "primary" }));
  stand(state("This server asks for a token", "Open the address that lookalike serve printed, or type the token in."), form);
  input.focus();
}

async function start() {
  try {
    await openSession(app.api);
    await app.refreshInfo();
  } catch (error) {
    if (error.status === 401) askForToken();
    else stand(state(sentence(error.message), sentence(error.hint), mayPass(error) ? button("Try again", start, { className: "primary" }) : null));
    return;
  }
  isLocked = false;
  if (!isStarted) listen();
  isStarted = true;
  await route();
}

function listen() {
  addEventListener("hashchange", route);
  addEventListener("scroll", () => { if (isSettled) app.place.scroll = scrollY; }, { passive: true });
  watchDrops(take, { canAdd: asksSomething, keep: adding.open, canKeep: () => info.writable, refuse: app.say });
  watchPaste(take);
}

history.scrollRestoration = "manual"; // views know what they show, the browser does not
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  main.focus();
});
main.replaceChildren(instead);
document.body.append(adding.element);
start();
