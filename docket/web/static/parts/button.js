/** Buttons with an icon: one that shows only the icon, and one that shows a word beside it. */

import { html } from "../dom.js";
import { Icon } from "./icons.js";

/** `label` is what it does, for screen readers and as a tip. */
export function IconButton({ icon, label, look = "", ...rest }) {
  return html`
    <button type="button" class=${`plain ${look}`} title=${label} aria-label=${label} ...${rest}>
      <${Icon} name=${icon} />
    </button>
  `;
}

/** `look` adds to its class: "is-primary", "is-small". */
export function Button({ icon, look = "", children, ...rest }) {
  return html`
    <button type="button" class=${`button ${look}`} ...${rest}>
      <${Icon} name=${icon} /><span>${children}</span>
    </button>
  `;
}

/** What is wrong with an input, in the place where it is wrong. */
export function Fault({ fault, children, ...rest }) {
  return html`
    <p class="fault" ...${rest}>
      <${Icon} name="warn" />
      <span>${fault.message}</span>
      ${children}
    </p>
  `;
}

/** Several of them, announced by screen readers. */
export const Faults = ({ faults }) =>
  faults.map((fault) => html`<${Fault} key=${fault.code + fault.message} fault=${fault} role="alert" />`);
