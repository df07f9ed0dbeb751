/* The server's verbs for the page: requests enter, parsed answers leave, and every failure is an ApiError.
 *
 * Of requests that are named `latest` alike, only the newest is waited for: an older one is given up and throws an
 * error for which `isOutdated` holds. Nothing is asked of any other host.
 */

import { hintFor } from "./hints.js";

export const UNREACHABLE = "unreachable";

export class ApiError extends Error {
  constructor({ code, message, hint = "", status = 0, request = "" }) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { code, hint, status, request });
  }
}

const SESSION = "/v1/session";

export const isOutdated = (error) => error?.name === "AbortError";

const NO_ANSWER = {
  code: UNREACHABLE,
  message: "The server does not answer.",
  hint: "See whether lookalike serve still runs, then try again.",
};

/* The token of the address that the server printed becomes a session, and leaves the address. */
export async function openSession(api) {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  await api.post(SESSION, { token });
}

/* worked(request): it was answered; locked(): the server wants a token, which the page has not or not any more. */
export function createApi({ worked, locked }) {
  const running = new Map();

  async function ask(method, path, { latest = null, ...options } = {}) {
    const giving = new AbortController();
    if (latest) {
      running.get(latest)?.abort();
      running.set(latest, giving);
    }
    try {
      const request = `${method} ${path.split("?")[0]}`;
      const found = await read(await fetched(path, { method, signal: giving.signal, ...options }), request);
      worked(request);
      return found;
    } catch (error) {
      if (error.status === 401 && path !== SESSION) locked();
      throw error;
    } finally {
      if (running.get(latest) === giving) running.delete(latest);
    }
  }

  const json = (body) => ({ body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  return {
    get: (path, parameters = {}, options = {}) => ask("GET", path + query(parameters), options),
    post: (path, body = {}, options = {}) => ask("POST", path, { ...json(body), ...options }),
    put: (path, body = {}, options = {}) => ask("PUT", path, { ...json(body), ...options }),
    send: (path, body, options = {}) => ask("POST", path, { body, ...options }),
    remove: (path, options = {}) => ask("DELETE", path, options),
    thumb: (id, size = 192) => `/v1/thumb/${id}?s=${size}`,
    giveUp: (latest) => running.get(latest)?.abort(),
  };
}

function query(parameters) {
  const stated = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(stated).toString();
  return text && `?${text}`;
}

async function fetched(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    throw isOutdated(error) ? error : new ApiError(NO_ANSWER);
  }
}

/* JSON is parsed; another type, a picture, is a Blob; no content is null. */
async function read(answer, request) {
  const isJson = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  if (answer.ok) return answer.status === 204 ? null : await (isJson ? answer.json() : answer.blob());
  const said = isJson ? (await answer.json()).error : null;
  throw new ApiError({
    code: said?.code ?? "unknown",
    message: said?.message ?? `The server answered with status ${answer.status}.`,
    hint: hintFor(said?.code, said?.hint ?? "Try again; the server's log says more."),
    status: answer.status,
    request,
  });
}
