/** What this browser remembers for its user: zone, theme, notices. Read and written only here. */

import { useEffect, useState } from "./dom.js";

const KEY = "docket.settings";
const DEFAULTS = { zone: "utc", theme: "system", notices: false, askOpen: true };

const listeners = new Set();
let current = { ...DEFAULTS, ...read() };

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

export const settings = () => current;

export function setSetting(name, value) {
  current = { ...current, [name]: value };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // A browser that stores nothing keeps the choice until the page is closed.
  }
  for (const listener of [...listeners]) listener();
}

/** One setting; the component is drawn again when it changes. */
export function useSetting(name) {
  const [value, setValue] = useState(current[name]);
  useEffect(() => {
    const listener = () => setValue(current[name]);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, [name]);
  return value;
}

export const useZone = () => useSetting("zone");
