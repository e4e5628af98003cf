/** A word of the summary that shows its packets when it is pressed. */

import { html } from "../dom.js";
import { both } from "./view.js";

/** `filter` takes the place of the current one, or with Shift is added to it. */
export function Pick({ filter, view, onFilter, children, ...rest }) {
  if (!filter) return html`<span ...${rest}>${children}</span>`;
  const pick = (event) => onFilter(event.shiftKey ? both(view.filter, filter) : filter);
  return html`
    <button type="button" class="pick" tabindex="-1" title=${`Show these packets: ${filter}\n(with Shift: of those that are shown)`}
      aria-pressed=${view.filter === filter} onClick=${pick} ...${rest}>${children}</button>
  `;
}

/** A part of a whole as a bar. It repeats a figure beside it. */
export function Share({ part }) {
  return html`<span class="share" aria-hidden="true"><span style=${{ "--part": Math.min(1, part) }}></span></span>`;
}
