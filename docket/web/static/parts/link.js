/** The state of the link to the server: quiet while it works, plain when it is not. */

import { html } from "../dom.js";
import { Icon } from "./icons.js";
import { formatDuration } from "../time.js";
import { useNow, useStore } from "../store.js";

export function LinkState() {
  const link = useStore((state) => state.link);
  if (link.state === "live")
    return html`<span class="link-state is-live" role="status"><span class="dot"></span>Live</span>`;
  const word = link.state === "lost" ? "Offline" : "Connecting";
  return html`<span class="link-state is-lost" role="status"><span class="dot"></span>${word}</span>`;
}

/** Across the page while the link is lost: how old what one sees is, and when it is tried again. */
export function LostBanner({ onTry }) {
  const link = useStore((state) => state.link);
  return link.state === "lost" ? html`<${Lost} link=${link} onTry=${onTry} />` : null;
}

function Lost({ link, onTry }) {
  useNow(1000);
  const now = Date.now();
  const age = link.lastHeard
    ? `last known ${formatDuration(Math.max(1e6, (now - link.lastHeard) * 1000))} ago`
    : "no message yet";
  const wait = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
  return html`
    <div class="lost" role="alert">
      <${Icon} name="unplug" />
      <span>Reconnecting, <span aria-live="off">${age}${wait > 1 ? `, next try in ${wait} s` : ""}</span></span>
      <button type="button" class="link" onClick=${onTry}>Try now</button>
    </div>
  `;
}
