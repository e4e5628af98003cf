/** What the server's configuration says to the page: a CyberChef, links for values, queries for everybody. */

import { useEffect, useState } from "./dom.js";
import { send } from "./api.js";

const NONE = { cyberchef: null, actions: [], queries: [] };
let asked = null;

/** `{ cyberchef, actions, queries }`; asked for once, and empty until it is there. */
export function usePageSettings() {
  const [settings, setSettings] = useState(NONE);
  useEffect(() => {
    asked ??= send("GET", "page").then(({ answer }) => ({ ...NONE, ...answer }), () => NONE);
    asked.then(setSettings);
  }, []);
  return settings;
}
