/** The content of a stream: as text, hex or raw, of both ends or one, to read, to search and to save. */

import { html, names, useRef, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { useZone } from "../settings.js";
import { formatExactClock, formatTime, fromRfc } from "../time.js";
import { count, counted, size } from "../figures.js";
import { transcriptPath } from "./api.js";
import { Note, reasonOf } from "./state.js";
import { Find } from "./stream_find.js";
import { useStream } from "./stream_pages.js";
import { revealPackets, streamName } from "./view.js";

const FORMATS = [
  ["text", "Text"],
  ["hex", "Hex"],
  ["raw", "Raw"],
];

export function StreamDialog({ job, view, onView }) {
  const { stream, direction, format } = view;
  const how = { ...stream, direction, format };
  const content = useStream(job, how);
  const { page, pieces, error } = content;
  const [expression, setExpression] = useState(null);
  const [shown, setShown] = useState(null);
  const box = useRef(null);
  const isThere = page && page.state !== "working";
  const leave = (news) => {
    onView({ stream: null, ...news });
    requestAnimationFrame(revealPackets);
  };
  const show = (at) => {
    setShown(at);
    box.current?.children[at]?.scrollIntoView({ block: "nearest" });
  };
  return html`
    <${Dialog} title=${streamName(stream)} onClose=${() => onView({ stream: null })} wide>
      <div class="stream">
        <${Choices} job=${job} how=${how} page=${page} onView=${onView} onPackets=${leave} />
        <div class="stream-choices">
          <${Find} pieces=${pieces} page=${page} loading=${content.loading} more=${content.more} onFound=${show}
            onExpression=${setExpression}
            onHex=${(hex) => onView({ format: hex ? "raw" : "text" }, { quiet: true })} />
        </div>
        ${page?.total > 0 && html`<${Legend} page=${page} />`}
        ${error && html`<${Note} tone="bad">${reasonOf(error)}<//>`}
        ${page?.note && html`<p class="hint">${page.note}</p>`}
        ${!isThere && !error && html`<p class="hint" role="status">Putting the stream together…</p>`}
        ${
          pieces.length > 0 &&
          html`<div class=${`stream-said is-${format}`} tabindex="0" role="group" aria-label="Stream content" ref=${box}>
            ${pieces.map(
              (piece, index) => html`<${Piece} key=${index} piece=${piece} nodes=${page.nodes} expression=${expression}
                isShown=${index === shown} onPacket=${(packet) => leave({ packet })} />`,
            )}
            <${Rest} page=${page} loading=${content.loading} more=${content.more} />
          </div>`
        }
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${() => onView({ stream: null })}>Close</button>
        </div>
      </div>
    <//>
  `;
}

function Choices({ job, how, page, onView, onPackets }) {
  const { protocol, number, direction, format } = how;
  const nodes = page?.nodes ?? ["", ""];
  const protocols = protocol === "udp" ? ["udp"] : ["tcp", "tls", "http"];
  const turn = (step) => onView({ stream: { protocol, number: number + step } });
  return html`
    <div class="stream-choices">
      <${IconButton} icon="left" label="Previous stream" disabled=${number === 0} onClick=${() => turn(-1)} />
      <${IconButton} icon="right" label="Next stream" onClick=${() => turn(1)} />
      <${Choice} label="Protocol" value=${protocol} options=${protocols.map((one) => [one, one.toUpperCase()])}
        onChange=${(next) => onView({ stream: { protocol: next, number } })} />
      <${Choice} label="Show as" value=${format} options=${FORMATS}
        onChange=${(next) => onView({ format: next }, { quiet: true })} />
      <label class="stream-who">Who <select value=${direction}
        onChange=${(event) => onView({ direction: event.target.value }, { quiet: true })}>
        <option value="both">both ends</option>
        <option value="first">only ${nodes[0] || "the first"} (${size(page?.bytes[0] ?? 0)})</option>
        <option value="second">only ${nodes[1] || "the second"} (${size(page?.bytes[1] ?? 0)})</option>
      </select></label>
      <span class="grow"></span>
      <a class="button is-small" href=${transcriptPath(job.id, how)} download>
        <${Icon} name="download" /><span>${page?.truncated ? "Save the beginning" : "Save"}</span></a>
      ${
        page?.filter &&
        html`<button type="button" class="button is-small"
          onClick=${() => onPackets({ filter: page.filter, packet: null })}>Show its packets</button>`
      }
    </div>
  `;
}

function Rest({ page, loading, more }) {
  if (page.next !== null) {
    return html`<button type="button" class="link" disabled=${loading} onClick=${more}>
      Show more: ${counted(page.total - page.next, "piece")} to come</button>`;
  }
  return page.truncated && html`<p class="hint">The stream goes on, but no more of it is kept.</p>`;
}

function Legend({ page }) {
  return html`
    <p class="stream-legend">
      ${page.nodes.map(
        (node, index) => html`<span key=${index} class=${`said-by-${index}`}>
          <span class="said-mark" aria-hidden="true">${index ? "◀" : "▶"}</span>
          <strong class="stranger">${node || "unknown"}</strong>
          ${" "}<span class="faint">${size(page.bytes[index])}</span></span>`,
      )}
      <span class="faint">${counted(page.total, "piece")}</span>
    </p>
  `;
}

/** What one packet brought, with its time and the way to it. */
function Piece({ piece, nodes, expression, isShown, onPacket }) {
  const zone = useZone();
  const title = `${nodes[piece.sender]}, ${counted(piece.length, "byte")} from ${count(piece.offset)}`;
  const us = fromRfc(piece.time);
  return html`
    <div class=${names(`said said-by-${piece.sender}`, { "is-lost": piece.lost, "is-shown": isShown })}>
      <span class="said-mark" title=${title}>
        <span aria-hidden="true">${piece.sender ? "◀" : "▶"}</span>
        <span class="visually-hidden">${nodes[piece.sender]}:</span></span>
      <pre class="stranger">${piece.lost ? html`<em>${piece.content.replace(/\.$/, "")}</em>` : marked(piece.content, expression)}</pre>
      ${
        piece.packet > 0 &&
        html`<button type="button" class="link said-packet" tabindex="-1"
          title=${`Show packet ${piece.packet}, ${us === null ? "" : formatTime(us, zone)}`}
          onClick=${() => onPacket(piece.packet)}>
          #${count(piece.packet)} <span class="figure">${us === null ? "" : formatExactClock(us, zone)}</span></button>`
      }
    </div>
  `;
}

const MOST_MARKS = 500;

/** The content with what was found marked. */
function marked(content, expression) {
  if (!expression) return content;
  const pieces = [];
  let at = 0;
  for (const found of content.matchAll(expression)) {
    if (!found[0] || pieces.length > MOST_MARKS) break;
    pieces.push(content.slice(at, found.index), html`<mark key=${found.index}>${found[0]}</mark>`);
    at = found.index + found[0].length;
  }
  return [...pieces, content.slice(at)];
}

function Choice({ label, value, options, onChange }) {
  return html`
    <span class="ranges" role="group" aria-label=${label}>
      ${options.map(
        ([name, word]) => html`<button type="button" class="segment" key=${name} aria-pressed=${value === name}
          onClick=${() => onChange(name)}>${word}</button>`,
      )}
    </span>
  `;
}
