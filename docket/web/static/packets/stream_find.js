/** Finding in a stream: as text, as a regular expression, or as hex digits. */

import { html, useEffect, useMemo, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { count } from "../figures.js";

const KINDS = [
  ["text", "Text"],
  ["regex", "Regular expression"],
  ["hex", "Hex"],
];

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The expression for what is looked for; null if there is none, false if it is not understood. Pure. */
export function expressionOf(text, kind) {
  if (!text) return null;
  if (kind === "hex") {
    const digits = text.replace(/0x|[\s:,-]/gi, "").toLowerCase();
    return /^([0-9a-f]{2})+$/.test(digits) ? new RegExp(digits.match(/../g).join(""), "gi") : false;
  }
  try {
    return new RegExp(kind === "regex" ? text : escaped(text), "gi");
  } catch {
    return false;
  }
}

/** The pieces that have a match; in hex digits only at whole bytes. Pure. */
export function matching(pieces, expression, kind) {
  if (!expression) return [];
  const holds = ({ content }) =>
    [...content.matchAll(expression)].some((found) => found[0] && (kind !== "hex" || found.index % 2 === 0));
  return pieces.flatMap((piece, at) => (holds(piece) ? [at] : []));
}

/** The find box. `onFound` gets the piece to show; `onHex` asks for hex digits; `more` fetches what is not there yet. */
export function Find({ pieces, page, loading, more, onFound, onExpression, onHex }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("text");
  const [at, setAt] = useState(0);
  const expression = useMemo(() => expressionOf(text, kind), [text, kind]);
  const found = useMemo(() => matching(pieces, expression, kind), [pieces, expression, kind]);
  useEffect(() => onExpression(expression || null), [expression]);
  useEffect(() => {
    if (found.length) onFound(found[Math.min(at, found.length - 1)]);
    else if (expression && page?.next != null && !loading) more();
  }, [found, at, loading]);
  const write = (event) => {
    setText(event.target.value);
    setAt(0);
  };
  const choose = (event) => {
    setKind(event.target.value);
    onHex(event.target.value === "hex");
  };
  const go = (step) => found.length && setAt((at + step + found.length) % found.length);
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  };
  const says = expression === false ? "not understood" : expression ? `${count(found.length)} found` : "";
  return html`
    <span class="stream-find" role="search">
      <input type="search" aria-label="Find in the stream" placeholder="Find" value=${text} onInput=${write}
        onKeyDown=${onKeyDown} aria-invalid=${expression === false} />
      <select aria-label="Find as" value=${kind} onChange=${choose}>
        ${KINDS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}
      </select>
      <${IconButton} icon="left" label="Match before" disabled=${!found.length} onClick=${() => go(-1)} />
      <${IconButton} icon="right" label="Next match" disabled=${!found.length} onClick=${() => go(1)} />
      <span class="hint" aria-live="polite">${says}</span>
    </span>
  `;
}
