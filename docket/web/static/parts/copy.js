/** Copying to the clipboard, also where the page has no secure context and thus no clipboard API. */

import { html, useRef, useState } from "../dom.js";
import { Icon } from "./icons.js";

export async function copyText(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not let the page copy");
  return undefined;
}

/** A button that copies `text`, or what the function `text` gives, and says so. */
export function Copy({ text, label, icon = "clipboard", children }) {
  const [done, setDone] = useState(null);
  const timer = useRef(null);
  const copy = async () => {
    const worked = await copyText(typeof text === "function" ? text() : text).then(
      () => true,
      () => false,
    );
    setDone(worked ? "Copied" : "Not copied");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(null), 2000);
  };
  return html`
    <button type="button" class="button is-small copy" title=${label} aria-label=${done ?? label} aria-live="polite"
      onClick=${copy}>
      <${Icon} name=${done === "Copied" ? "check" : icon} /><span>${done ?? children ?? "Copy"}</span>
    </button>
  `;
}

/** A text as the answer in a list of facts, with a button that copies it. Long ones scroll. */
export function Copied({ text, label }) {
  const long = text.length > 400;
  return html`
    <dd class="with-copy">
      <code class=${long ? "long" : ""} tabindex=${long ? 0 : undefined}>${text}</code>
      <${Copy} text=${text} label=${label} />
    </dd>
  `;
}
