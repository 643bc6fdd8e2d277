// The API. Every failure is an `ApiError` whose message is one line for a person.

// Relative to this file, so that the page also works below a path of a reverse proxy.
const BASE = new URL("../api/v1", import.meta.url).pathname;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Called with an ApiError when the daemon asks for a token. */
let onUnauthenticated = () => {};

export function whenUnauthenticated(handler) {
  onUnauthenticated = handler;
}

export const get = async (path) => (await request("GET", path)).json();

/** A page of a list: `items`, `total` of all pages, and `next`, the cursor of the page after it, or null. */
export async function getPage(path) {
  const response = await request("GET", path);
  const next = /cursor=([^&>]*)/.exec(response.headers.get("link") ?? "");
  return {
    items: await response.json(),
    total: Number(response.headers.get("x-total-count")),
    next: next && decodeURIComponent(next[1]),
  };
}

export const post = (path, body) => change("POST", path, body);
export const patch = (path, body) => change("PATCH", path, body);
export const remove = (path) => change("DELETE", path);

/** A path with its parts escaped: path`/people/${id}`. */
export function path(parts, ...values) {
  return parts.reduce((whole, part, number) => whole + encodeURIComponent(values[number - 1]) + part);
}

/** A stream's response; the caller reads it, and aborts it with the signal. */
export async function open(where, signal) {
  const response = await fetch(BASE + where, { signal });
  return response.ok ? response : fail(response);
}

export const address = (where) => BASE + where;

async function change(method, where, body) {
  const response = await request(method, where, body);
  return response.status === 204 ? null : response.json();
}

async function request(method, where, body) {
  const options = { method };
  if (body instanceof FormData) {
    options.body = body;
  } else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  let response;
  try {
    response = await fetch(BASE + where, options);
  } catch {
    throw new ApiError(0, "The daemon does not answer.");
  }
  return response.ok ? response : fail(response);
}

async function fail(response) {
  let message = response.statusText;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // not JSON: a proxy's answer
  }
  const error = new ApiError(response.status, message.charAt(0).toUpperCase() + message.slice(1));
  if (response.status === 401) {
    onUnauthenticated(error);
  }
  throw error;
}
