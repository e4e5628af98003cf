/** The display filter, with its fault marked at its place. */

import { html, names, useLayoutEffect, useRef, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";

/** Positions count characters; a JavaScript string counts UTF-16 units. */
const unitsBefore = (text, position) => Array.from(text).slice(0, position).join("").length;

function placeOf(text, fault) {
  const start = Math.min(unitsBefore(text, fault.position), text.length);
  const rest = /^\S+/.exec(text.slice(start));
  return [start, start + (rest?.[0].length ?? 0)];
}

export function FilterBox({ filter, fault, busy, onFilter }) {
  const id = "packet-filter";
  const area = useRef(null);
  const [text, setText] = useState(filter);
  useLayoutEffect(() => setText(filter), [filter]);
  useLayoutEffect(() => {
    area.current.style.height = "auto";
    area.current.style.height = area.current.scrollHeight + "px";
  }, [text]);
  const shown = fault && text === filter ? fault : null;
  const place = shown?.position != null ? placeOf(text, shown) : null;
  const apply = (event) => {
    event?.preventDefault();
    onFilter(text.trim());
  };
  const goTo = () => {
    area.current.focus();
    area.current.setSelectionRange(...place);
  };
  return html`
    <form class="packets-filter" onSubmit=${apply}>
      <label class="visually-hidden" for=${id}>Display filter</label>
      <div class=${names("query-box", { "is-faulty": shown })}>
        <div class="query-marks" aria-hidden="true">
          ${place && html`${text.slice(0, place[0])}<mark>${text.slice(...place) || " "}</mark>${text.slice(place[1])}`}
        </div>
        <textarea id=${id} ref=${area} rows="1" value=${text} spellcheck=${false} autocapitalize="off"
          autocomplete="off" placeholder="Display filter, as in Wireshark: dns or http.request"
          aria-invalid=${shown != null} aria-describedby=${shown ? id + "-says" : undefined}
          onInput=${(event) => setText(event.target.value.replaceAll("\n", " "))}
          onKeyDown=${(event) => event.key === "Enter" && apply(event)}></textarea>
      </div>
      <button type="submit" class="button" aria-busy=${busy}>Filter</button>
      <button type="button" class="button" disabled=${!text && !filter} onClick=${() => {
        setText("");
        if (filter) onFilter("");
      }}>Clear</button>
      ${
        shown &&
        html`<p class="fault" id=${id + "-says"} role="alert"><${Icon} name="warn" /><span>${shown.message}</span>
          ${
            place &&
            html` <button type="button" class="link" onClick=${goTo}>at character ${shown.position + 1}</button>`
          }
        </p>`
      }
    </form>
  `;
}
