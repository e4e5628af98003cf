/** The HTTP API, version 1. Every change is a POST or DELETE with a JSON body, which no foreign page can send. */

import { path } from "./base.js";

/** An answer other than the wanted one. `errors` lists every fault: `{ code, message, field, position }`. */
export class ApiError extends Error {
  constructor(status, errors) {
    super(errors[0].message);
    this.status = status;
    this.code = errors[0].code;
    this.errors = errors;
  }
}

export async function send(method, below, body, signal) {
  const options = { method, signal, headers: { accept: "application/json" } };
  if (method !== "GET") {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetch(path("api/v1/" + below), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, [{ code: "no-connection", message: "The server cannot be reached." }]);
  }
  const answer = await response.json().catch((error) => unread(error, signal));
  // Where the server is not ready, its health is an answer, too.
  if (response.ok || answer?.checks) return { status: response.status, answer };
  const plain = { code: "http-" + response.status, message: `The server answered ${response.status}.` };
  throw new ApiError(response.status, answer?.errors ?? [answer?.error ?? plain]);
}

/** Only what is not JSON, or nothing at all, is an answer without content; one that broke off is none. */
function unread(error, signal) {
  if (error instanceof SyntaxError) return null;
  if (signal?.aborted) throw signal.reason;
  throw new ApiError(0, [{ code: "no-connection", message: "The connection broke off in the middle of an answer." }]);
}

const call = async (...request) => (await send(...request)).answer;

const one = (id) => "jobs/" + encodeURIComponent(id);

export const api = {
  /** The job, and whether the question is new: an identical one that is still there is answered with its job. */
  async ask(request) {
    const { status, answer } = await send("POST", "jobs", request);
    return { job: answer, isNew: status === 201 };
  },
  check: (request, signal) => call("POST", "query/check", request, signal),
  /** `{ status, checks }`: each with its name, whether it is `ok`, a message, and what to do. */
  health: (signal) => call("GET", "health", null, signal),
  job: (id, signal) => call("GET", one(id), null, signal),
  cancel: (id) => call("POST", one(id) + "/cancel"),
  retry: (id) => call("POST", one(id) + "/retry"),
  annotate: (id, annotation) => call("POST", one(id) + "/annotation", annotation),
  remove: (id) => call("DELETE", one(id)),
  /** Packets over time of these sources, where their captures have an index. */
  timeline({ after, before, sources }, signal) {
    const search = new URLSearchParams({ after, before });
    for (const name of sources) search.append("source", name);
    return call("GET", "timeline?" + search, null, signal);
  },
  forgetSource: (name) => call("DELETE", "sources/" + encodeURIComponent(name)),
  /** One page of the list: `{ jobs, total, cursor }`. `filters` may leave out whatever is not asked for. */
  jobs(filters, signal) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) if (value) search.set(name, value);
    return call("GET", "jobs?" + search, null, signal);
  },
};
