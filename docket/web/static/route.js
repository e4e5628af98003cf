/** Pages by the history API: "" (ask and jobs), "jobs/<id>", "sources". What a page shows of itself is in its search. */

import { html, useEffect, useState } from "./dom.js";
import { base } from "./base.js";

const listeners = new Set();

function notifyAll() {
  for (const listener of [...listeners]) listener();
}

addEventListener("popstate", notifyAll);

/** The page that the address bar names: `{ page, id }`. */
export function readRoute() {
  const below = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  const [first, second] = below.split("/").filter(Boolean);
  if (!first) return { page: "jobs", id: null };
  if (first === "jobs" && second) return { page: "job", id: decode(second) };
  if (first === "sources") return { page: "sources", id: null };
  return { page: "unknown", id: null };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Go to a page below the base path; the keyboard goes there too. */
export function navigate(below) {
  const before = location.pathname;
  if (before + location.search !== base + below) history.pushState(null, "", base + below);
  if (location.pathname !== before) scrollTo(0, 0);
  notifyAll();
  if (location.pathname !== before) document.getElementById("main")?.focus({ preventScroll: true });
}

/** Put what this page shows into the address: as a step that Back takes back, or in place of the current one. */
export function setSearch(search, isStep) {
  const text = search.toString();
  if (text === location.search.slice(1)) return;
  const address = location.pathname + (text && "?" + text);
  if (isStep) history.pushState(null, "", address);
  else history.replaceState(history.state, "", address);
  notifyAll();
}

function useAddress(read) {
  const [now, setNow] = useState(read);
  useEffect(() => {
    const listener = () => setNow(read());
    listeners.add(listener);
    listener();
    return () => listeners.delete(listener);
  }, []);
  return now;
}

export function useRoute() {
  const path = useAddress(() => location.pathname);
  return { ...readRoute(), path };
}

/** What stands behind the question mark of the address, drawn again when it changes. */
export const useSearch = () => new URLSearchParams(useAddress(() => location.search));

/** A link within the application; other clicks than a plain one are left to the browser. */
export function Link({ to, children, ...rest }) {
  const click = (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return html`<a href=${base + to} onClick=${click} ...${rest}>${children}</a>`;
}
