/** Pages by the history API: "" (ask and jobs), "jobs/<id>", "sources". */

import { html, useEffect, useState } from "./dom.js";
import { base } from "./base.js";

const listeners = new Set();

function tellAll() {
  for (const listener of [...listeners]) listener();
}

addEventListener("popstate", tellAll);

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
  if (location.pathname + location.search !== base + below) history.pushState(null, "", base + below);
  scrollTo(0, 0);
  tellAll();
  document.getElementById("main")?.focus({ preventScroll: true });
}

export function useRoute() {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const listener = () => setRoute(readRoute());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return route;
}

/** A link within the application; other clicks than a plain one are left to the browser. */
export function Link({ to, children, ...rest }) {
  const click = (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return html`<a href=${base + to} onClick=${click} ...${rest}>${children}</a>`;
}
