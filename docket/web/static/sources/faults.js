/** What the server says is not well, with what to do: broker, queues, units, certificates, sources. Nothing otherwise. */

import { html, useEffect, useState } from "../dom.js";
import { api } from "../api.js";
import { Icon } from "../parts/icons.js";
import { useStore } from "../store.js";

const LOOK_AGAIN_MS = 10_000;

export function NotWell() {
  const faults = useFaults();
  if (!faults.length) return null;
  return html`
    <section class="panel not-well" aria-labelledby="not-well-title">
      <header class="panel-head"><h2 id="not-well-title">Not well <span class="count">${faults.length}</span></h2></header>
      <ul>
        ${faults.map(
          ({ name, message, advice }) => html`<li key=${name}>
            <p class="fault"><${Icon} name="warn" /><span><strong>${name}</strong>: ${message}</span></p>
            ${advice && html`<p class="hint">What to do: <code>${advice}</code></p>`}
          </li>`,
        )}
      </ul>
    </section>
  `;
}

/** Asked every few seconds, and at once when a source comes, goes, or becomes well or unwell. */
function useFaults() {
  const [faults, setFaults] = useState([]);
  const presence = useStore((state) => state.presence);
  useEffect(() => {
    const gone = new AbortController();
    const look = async () => {
      try {
        const { checks } = await api.health(gone.signal);
        if (!gone.signal.aborted) setFaults(checks.filter((check) => !check.ok));
      } catch {
        // The mark in the head says that the server is away.
      }
    };
    look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => {
      clearInterval(timer);
      gone.abort();
    };
  }, [presence]);
  return faults;
}
