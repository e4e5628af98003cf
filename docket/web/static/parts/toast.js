/** Short messages at the edge of the page, each with at most one thing to do about it. */

import { html, useEffect, useState } from "../dom.js";
import { IconButton } from "./button.js";
import { Icon } from "./icons.js";

const SHOWN_MS = 8_000;
const MOST = 4;

let toasts = [];
let nextId = 1;
const listeners = new Set();

function change(next) {
  toasts = next;
  for (const listener of [...listeners]) listener();
}

const drop = (id) => change(toasts.filter((toast) => toast.id !== id));

/** Say something. `action` is `{ word, run }`; `tone` is "good", "warn" or "bad"; bad ones stay until closed. */
export function say(text, { tone = "good", action = null } = {}) {
  const id = nextId++;
  change([...toasts.slice(1 - MOST), { id, text, tone, action }]);
  if (tone !== "bad") setTimeout(() => drop(id), SHOWN_MS);
}

/** Say why something did not work. */
export const sayError = (error) => say(error.message, { tone: "bad" });

const ICONS = { good: "check", warn: "warn", bad: "warn" };

export function Toasts() {
  const [, setVersion] = useState(0);
  useEffect(() => {
    const listener = () => setVersion((version) => version + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${toasts.map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}
    </div>
  `;
}

function Toast({ toast }) {
  const act = () => {
    drop(toast.id);
    toast.action.run();
  };
  return html`
    <div class=${`toast tone-${toast.tone}`}>
      <${Icon} name=${ICONS[toast.tone]} />
      <span class="toast-text">${toast.text}</span>
      ${toast.action && html`<button type="button" class="link" onClick=${act}>${toast.action.word}</button>`}
      <${IconButton} icon="cross" label="Close message" onClick=${() => drop(toast.id)} />
    </div>
  `;
}
