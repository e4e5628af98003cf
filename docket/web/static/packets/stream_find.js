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

/** The places of a match in a text; in hex digits only at whole bytes. */
const placesIn = (text, expression, kind) =>
  [...text.matchAll(expression)].filter((found) => found[0] && (kind !== "hex" || found.index % 2 === 0));

/** Stands for lost bytes, so that nothing is found across them; two signs, as a byte in hex has. */
const LOST = "\0\0";

/** The pieces that have a match, or in which one begins that goes on in the next piece of the same sender. Pure. */
export function matching(pieces, expression, kind) {
  if (!expression) return [];
  const found = new Set(pieces.flatMap(({ content }, at) => (placesIn(content, expression, kind).length ? [at] : [])));
  for (const sender of [0, 1]) {
    const own = pieces.flatMap((piece, at) => (piece.sender === sender ? [{ at, text: piece.lost ? LOST : piece.content }] : []));
    let end = 0;
    const ends = own.map(({ text }) => (end += text.length));
    let piece = 0;
    for (const match of placesIn(own.map(({ text }) => text).join(""), expression, kind)) {
      while (ends[piece] <= match.index) piece += 1;
      if (match.index + match[0].length > ends[piece]) found.add(own[piece].at);
    }
  }
  return [...found].sort((one, other) => one - other);
}

/** The same for what was written; nothing for what is not understood. Pure. */
export const found = (pieces, text, kind) => matching(pieces, expressionOf(text, kind), kind);

/** The find box. `onFound` gets the piece to show; `onHex` asks for hex digits; `more` fetches what is not there yet. */
export function Find({ pieces, page, loading, more, onFound, onExpression, onHex }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("text");
  const [at, setAt] = useState(0);
  const expression = useMemo(() => expressionOf(text, kind), [text, kind]);
  const places = useMemo(() => found(pieces, text, kind), [pieces, text, kind]);
  useEffect(() => onExpression(expression || null), [expression]);
  useEffect(() => {
    if (places.length) onFound(places[Math.min(at, places.length - 1)]);
    else if (expression && page?.next != null && !loading) more();
  }, [places, at, loading]);
  const write = (event) => {
    setText(event.target.value);
    setAt(0);
  };
  const choose = (event) => {
    setKind(event.target.value);
    onHex(event.target.value === "hex");
  };
  const go = (step) => places.length && setAt((at + step + places.length) % places.length);
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  };
  const says = expression === false ? "not understood" : expression ? `${count(places.length)} found` : "";
  return html`
    <span class="stream-find" role="search">
      <input type="search" aria-label="Find in the stream" placeholder="Find" value=${text} onInput=${write}
        onKeyDown=${onKeyDown} aria-invalid=${expression === false} />
      <select aria-label="Find as" value=${kind} onChange=${choose}>
        ${KINDS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}
      </select>
      <${IconButton} icon="left" label="Match before" disabled=${!places.length} onClick=${() => go(-1)} />
      <${IconButton} icon="right" label="Next match" disabled=${!places.length} onClick=${() => go(1)} />
      <span class="hint" aria-live="polite">${says}</span>
    </span>
  `;
}
