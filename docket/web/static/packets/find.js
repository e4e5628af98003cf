/** Finding in packets: text, a regular expression or hex digits become a display filter over their bytes. */

import { html, useState } from "../dom.js";
import { say } from "../parts/toast.js";
import { both } from "./view.js";

const KINDS = [
  ["text", "Text"],
  ["regex", "Regular expression"],
  ["hex", "Hex"],
];

const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/**
 * The display filter for packets with these bytes anywhere; "" for nothing to look for, null if it is not understood.
 * Text and expressions find capitals and small letters alike. Pure.
 */
export function findFilter(text, kind) {
  if (!text.trim()) return "";
  if (kind === "hex") {
    const digits = text.replace(/0x|[\s:,-]/gi, "").toLowerCase();
    return /^([0-9a-f]{2})+$/.test(digits) ? `frame contains ${digits.match(/../g).join(":")}` : null;
  }
  return `frame matches ${quoted(kind === "regex" ? text : escaped(text))}`;
}

/** What is found is shown of the packets that the filter shows already. */
export function PacketFind({ filter, onFilter }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("text");
  const find = (event) => {
    event.preventDefault();
    const wanted = findFilter(text, kind);
    if (wanted === null) return say("Hex digits come in pairs, such as 47 45 54.", { tone: "warn" });
    if (wanted) onFilter(filter.includes(wanted) ? filter : both(filter, wanted));
    return undefined;
  };
  return html`
    <form class="packets-find" role="search" onSubmit=${find}>
      <input type="search" aria-label="Find in packets" placeholder="Find in packets" value=${text}
        onInput=${(event) => setText(event.target.value)} />
      <select aria-label="Find in packets as" value=${kind} onChange=${(event) => setKind(event.target.value)}>
        ${KINDS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}
      </select>
      <button type="submit" class="button is-small">Find</button>
    </form>
  `;
}
