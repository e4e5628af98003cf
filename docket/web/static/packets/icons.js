/** Icons that only the packets need, drawn like all others. */

import { html } from "../dom.js";

const PATHS = {
  filter: "M2.5 3.5h11L9.5 8.5v4l-3-1.5V8.5z",
  follow: "M2.5 5.5h8M8 3l2.5 2.5L8 8M13.5 10.5h-8M8 8l-2.5 2.5L8 13",
  refine: "M2.5 4h11M4.5 8h7M6.5 12h3",
  clear: "M4 4l8 8M12 4l-8 8",
};

export function PacketIcon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** A button that shows only its icon; `label` is what it does. */
export function PacketButton({ icon, label, ...rest }) {
  return html`
    <button type="button" class="plain" tabindex="-1" title=${label} aria-label=${label} ...${rest}>
      <${PacketIcon} name=${icon} />
    </button>
  `;
}
