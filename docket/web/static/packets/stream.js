/** What two ends said to each other: as text, hex or raw, both or one of them, to read and to save. */

import { html, useEffect, useState } from "../dom.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { count, counted, size } from "../figures.js";
import { packets, transcriptPath } from "./api.js";
import { Note, reasonOf } from "./state.js";
import { revealPackets, streamName } from "./view.js";

const AGAIN_MS = 700;
const FORMATS = [
  ["text", "Text"],
  ["hex", "Hex"],
  ["raw", "Raw"],
];

export function StreamDialog({ job, view, onView }) {
  const { stream, direction, format } = view;
  const setDirection = (next) => onView({ direction: next }, { quiet: true });
  const setFormat = (next) => onView({ format: next }, { quiet: true });
  const how = { ...stream, direction, format };
  const { page, pieces, error, more, loading } = useStream(job, how);
  const close = () => onView({ stream: null });
  const protocols = stream.protocol === "udp" ? ["udp"] : ["tcp", "tls", "http"];
  const showPackets = () => {
    onView({ stream: null, filter: page.filter, packet: null });
    revealPackets();
  };
  const isThere = page && page.state !== "working";
  const nodes = page?.nodes ?? ["", ""];
  return html`
    <${Dialog} title=${streamName(stream)} onClose=${close} wide>
      <div class="stream">
        <div class="stream-choices">
          <${Choice} label="Protocol" value=${stream.protocol}
            options=${protocols.map((one) => [one, one.toUpperCase()])}
            onChange=${(protocol) => onView({ stream: { ...stream, protocol } })} />
          <${Choice} label="Show as" value=${format} options=${FORMATS} onChange=${setFormat} />
          <label class="stream-who">Who <select value=${direction}
            onChange=${(event) => setDirection(event.target.value)}>
            <option value="both">both ends</option>
            <option value="first">only ${nodes[0] || "the first"} (${size(page?.bytes[0] ?? 0)})</option>
            <option value="second">only ${nodes[1] || "the second"} (${size(page?.bytes[1] ?? 0)})</option>
          </select></label>
          <span class="grow"></span>
          <a class="button is-small" href=${transcriptPath(job.id, how)} download>
            <${Icon} name="download" /><span>Save</span></a>
          ${
            page?.filter &&
            html`<button type="button" class="button is-small" onClick=${showPackets}>Show its packets</button>`
          }
        </div>
        ${page?.total > 0 && html`<${Legend} page=${page} />`}
        ${error && html`<${Note} tone="bad">${reasonOf(error)}<//>`}
        ${page?.note && html`<p class="hint">${page.note}</p>`}
        ${!isThere && !error && html`<p class="hint" role="status">Putting the stream together…</p>`}
        ${
          pieces.length > 0 &&
          html`<div class=${`stream-said is-${format}`} tabindex="0" role="group" aria-label="Stream content">
          ${pieces.map((piece, index) => html`<${Piece} key=${index} piece=${piece} nodes=${nodes} />`)}
          ${
            page.next !== null &&
            html`<button type="button" class="link" disabled=${loading} onClick=${more}>
              Show more: ${counted(page.total - page.next, "piece")} to come</button>`
          }
          ${
            page.next === null &&
            page.truncated &&
            html`<p class="hint">The stream goes on, but no more of it is kept.</p>`
          }
        </div>`
        }
        <div class="dialog-actions"><button type="button" class="button" onClick=${close}>Close</button></div>
      </div>
    <//>
  `;
}

/** The pages of a stream so far, one behind the other. */
function useStream(job, how) {
  const wanted = [job.id, how.protocol, how.number, how.direction, how.format].join(" ");
  const [state, setState] = useState({ wanted, page: null, pieces: [], error: null });
  const [offset, setOffset] = useState({ wanted, at: 0 });
  const at = offset.wanted === wanted ? offset.at : 0;
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const load = () =>
      packets.stream(job.id, { ...how, offset: at }, stop.signal).then(
        (page) => {
          if (page.state === "working") timer = setTimeout(load, AGAIN_MS);
          setState((before) => {
            const kept = at > 0 && before.wanted === wanted ? before.pieces : [];
            return { wanted, page, pieces: [...kept, ...page.pieces], error: null };
          });
        },
        (error) => stop.signal.aborted || setState({ wanted, page: null, pieces: [], error }),
      );
    load();
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [wanted, at]);
  const current = state.wanted === wanted;
  const more = () => setOffset({ wanted, at: state.page.next });
  return {
    page: state.page,
    pieces: current ? state.pieces : [],
    error: current ? state.error : null,
    more,
    loading: current && state.page && at !== state.page.offset,
  };
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
      <span class="faint">${count(page.total)} pieces</span>
    </p>
  `;
}

function Piece({ piece, nodes }) {
  const title = `${nodes[piece.sender]}, ${counted(piece.length, "byte")} from ${count(piece.offset)}`;
  return html`
    <div class=${`said said-by-${piece.sender}`}>
      <span class="said-mark" title=${title}>
        <span aria-hidden="true">${piece.sender ? "◀" : "▶"}</span>
        <span class="visually-hidden">${nodes[piece.sender]}:</span></span>
      <pre class="stranger">${piece.content}</pre>
    </div>
  `;
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
