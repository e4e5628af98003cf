/** The question as text, with each fault marked at its place. */

import { html, names, useId, useLayoutEffect, useRef } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { endOfWord } from "./query.js";
import { changeDraft } from "./draft.js";

/** Positions count characters; a JavaScript string counts UTF-16 units. */
const unitsBefore = (text, position) => Array.from(text).slice(0, position).join("").length;

/** The text cut into pieces, `{ text, faulty }`, for the layer under the text area. */
function marked(text, faults) {
  const pieces = [];
  let at = 0;
  const starts = faults.map((fault) => unitsBefore(text, fault.position)).sort((a, b) => a - b);
  for (const start of starts) {
    if (start < at) continue;
    const end = endOfWord(text, start);
    pieces.push({ text: text.slice(at, start), faulty: false });
    pieces.push({ text: text.slice(start, end) || " ", faulty: true });
    at = end;
  }
  pieces.push({ text: text.slice(at), faulty: false });
  return pieces;
}

export function QueryText({ text, faults, explanation, notes = [], onPaste, inputRef }) {
  const id = useId();
  const own = useRef(null);
  const area = inputRef ?? own;
  useLayoutEffect(() => {
    area.current.style.height = "auto";
    area.current.style.height = area.current.scrollHeight + 2 + "px";
  }, [text]);
  const goTo = (fault) => {
    const start = unitsBefore(text, fault.position ?? 0);
    area.current.focus();
    area.current.setSelectionRange(start, endOfWord(text, start));
  };
  const placed = faults.filter((fault) => fault.position != null);
  return html`
    <div class="field query">
      <label for=${id}>Query</label>
      <div class=${names("query-box", { "is-faulty": faults.length > 0 })}>
        <div class="query-marks" aria-hidden="true">
          ${marked(text, placed).map((piece) => (piece.faulty ? html`<mark>${piece.text}</mark>` : piece.text))}${" "}
        </div>
        <textarea id=${id} ref=${area} rows="1" value=${text} spellcheck=${false} autocapitalize="off"
          autocomplete="off" placeholder="every packet, or: host 10.1.2.3 and port 443"
          aria-invalid=${faults.length > 0} aria-describedby=${id + "-says"}
          onInput=${(event) => changeDraft({ text: event.target.value.replaceAll("\n", " ") })}
          onKeyDown=${(event) => event.key === "Enter" && event.preventDefault()} onPaste=${onPaste}></textarea>
      </div>
      <div class="query-says" id=${id + "-says"} aria-live="polite">
        ${
          faults.length
            ? faults.map(
                (fault) =>
                  html`<${Fault} key=${fault.position + fault.message} fault=${fault} onGo=${() => goTo(fault)} />`,
              )
            : html`<p class="explanation">${explanation || "\u00a0"}</p>
                ${notes.map((note) => html`<p class="query-note" key=${note}>${note}</p>`)}`
        }
      </div>
    </div>
  `;
}

function Fault({ fault, onGo }) {
  return html`
    <p class="fault">
      <${Icon} name="warn" />
      <span>${fault.message}</span>
      ${
        fault.position != null &&
        html`<button type="button" class="link" onClick=${onGo}>at character ${fault.position + 1}</button>`
      }
      ${
        fault.suggestion &&
        html`<button type="button" class="link suggestion" onClick=${() => changeDraft({ text: fault.suggestion })}>
          Use ${fault.suggestion}
        </button>`
      }
    </p>
  `;
}
