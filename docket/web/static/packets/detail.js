/** One packet in full: its dissection and its bytes side by side. A selected field marks its bytes, and the other way round. */

import { html, useEffect, useMemo, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { Copy } from "../parts/copy.js";
import { useZone } from "../settings.js";
import { formatTime, fromRfc, zoneName } from "../time.js";
import { count, counted } from "../figures.js";
import { packets } from "./api.js";
import { Fields } from "./fields.js";
import { Hex } from "./hex.js";
import { PacketIcon } from "./icons.js";
import { Note, reasonOf } from "./state.js";
import { fieldAt, indexed, wayTo } from "./tree.js";
import { both, streamOf } from "./view.js";

/** Which kinds of fields are open, kept from packet to packet. */
const opened = new Set();

export function Detail({ job, number, rows, view, onView }) {
  const [exactly, setExactly] = useState(null);
  const { detail, error } = useDetail(job, number, exactly === number);
  const close = () => {
    onView({ packet: null });
    document.querySelector(".grid")?.focus();
  };
  const most = rows.facts?.packets ?? Infinity;
  const stale = detail?.number !== number;
  return html`
    <section class="detail" aria-labelledby="detail-title" aria-busy=${stale && !error}>
      <header class="panel-head">
        <h3 id="detail-title">Packet ${count(number)}</h3>
        ${detail && !stale && html`<${Facts} detail=${detail} />`}
        ${stale && !error && html`<span class="hint" role="status">Dissecting…</span>`}
        <span class="grow"></span>
        ${detail && !stale && html`<${Follow} detail=${detail} onView=${onView} />`}
        <${IconButton} icon="left" label="Previous packet of the file" disabled=${number <= 1} onClick=${() => onView({ packet: number - 1 })} />
        <${IconButton} icon="right" label="Next packet of the file" disabled=${number >= most} onClick=${() => onView({ packet: number + 1 })} />
        <${IconButton} icon="cross" label="Close the packet" onClick=${close} />
      </header>
      ${error && html`<${Note} tone="bad">${reasonOf(error)}<//>`}
      ${detail?.error && html`<${Note} tone="bad">The packet ${detail.error} Its bytes are shown all the same.<//>`}
      ${
        detail &&
        !detail.exact &&
        html`<${Note} tone="warn">Dissected with the packets just before it: what depends on earlier ones may differ.
          ${" "}<button type="button" class="link" onClick=${() => setExactly(number)}>Read the file from its beginning</button><//>`
      }
      ${detail && html`<${Sides} detail=${detail} view=${view} onView=${onView} />`}
    </section>
  `;
}

function useDetail(job, number, exact) {
  const [found, setFound] = useState({ detail: null, error: null });
  useEffect(() => {
    const stop = new AbortController();
    packets.detail(job.id, number, exact, stop.signal).then(
      (detail) => setFound({ detail, error: null }),
      (error) => stop.signal.aborted || setFound({ detail: null, error }),
    );
    return () => stop.abort();
  }, [job.id, number, exact]);
  return found;
}

function Facts({ detail }) {
  const zone = useZone();
  const us = fromRfc(detail.time);
  const short = detail.captured < detail.length ? `, ${count(detail.captured)} of them captured` : "";
  return html`
    <span class="detail-facts figure">${formatTime(us, zone)} ${zoneName(us, zone)}</span>
    <span class="detail-facts">${counted(detail.length, "byte")}${short}</span>
  `;
}

/** Buttons for all that can be followed from this packet. */
function Follow({ detail, onView }) {
  const streams = detail.streams.map(streamOf).filter(Boolean);
  const tcp = streams.find(({ protocol }) => protocol === "tcp");
  const more = ["tls", "http"].filter((protocol) => tcp && detail.layers.includes(protocol));
  const all = [...streams, ...more.map((protocol) => ({ protocol, number: tcp.number }))];
  return all.map(
    (stream) => html`<button type="button" class="button is-small" key=${stream.protocol + stream.number}
      onClick=${() => onView({ stream })}>
      <${PacketIcon} name="follow" /><span>Follow ${stream.protocol.toUpperCase()}</span></button>`,
  );
}

function Sides({ detail, view, onView }) {
  const tree = useMemo(() => indexed(detail.tree), [detail]);
  const [selected, setSelected] = useState(null);
  const [buffer, setBuffer] = useState(0);
  const [, setVersion] = useState(0);
  useEffect(() => {
    setSelected(null);
    setBuffer(0);
    if (!opened.size && tree.length) opened.add(tree.at(-1).like);
    setVersion((version) => version + 1);
  }, [tree]);
  const node = selected ? (wayTo(tree, selected).at(-1) ?? null) : null;
  const select = (next) => {
    setSelected(next.key);
    if (next.length) setBuffer(next.buffer);
  };
  const open = (one, wanted) => {
    if (!one.children.length) return;
    opened[wanted ? "add" : "delete"](one.like);
    setVersion((version) => version + 1);
  };
  const fromByte = (at) => {
    const found = fieldAt(tree, buffer, at);
    if (!found) return;
    for (const above of wayTo(tree, found.key).slice(0, -1)) opened.add(above.like);
    setSelected(found.key);
  };
  const marked = node && node.length && node.buffer === buffer ? [node.start, node.start + node.length] : [0, 0];
  const shown = detail.bytes[buffer] ?? detail.bytes[0];
  return html`
    <div class="sides">
      ${tree.length > 0 && html`<${Fields} tree=${tree} selected=${selected} opened=${opened} onSelect=${select} onOpen=${open} />`}
      <div class="side-bytes">
        ${
          detail.bytes.length > 1 &&
          html`<span class="ranges" role="group" aria-label="Bytes of">
            ${detail.bytes.map(
              (one, index) => html`<button type="button" class="segment" key=${index} aria-pressed=${index === buffer}
                onClick=${() => setBuffer(index)}>${one.name} <span class="faint">${count(one.hex.length / 2)}</span></button>`,
            )}</span>`
        }
        ${shown && html`<${Hex} buffer=${shown} from=${marked[0]} to=${marked[1]} onByte=${fromByte} />`}
      </div>
    </div>
    <${Selected} node=${node} truncated=${detail.truncated} view=${view} onView=${onView} />
  `;
}

/** What is selected, and the filters that it makes. */
function Selected({ node, truncated, view, onView }) {
  const place = node?.length ? `${counted(node.length, "byte")} from ${node.start}` : "";
  return html`
    <footer class="detail-foot">
      <span aria-live="polite" class="stranger">
        ${node ? html`<code>${node.name || "text only"}</code> <span class="faint">${place}</span>` : html`<span class="hint">Select a field or a byte to see where it belongs.</span>`}
      </span>
      ${truncated && html`<span class="hint">The tree goes on; it was cut.</span>`}
      <span class="grow"></span>
      ${
        node?.filter &&
        html`
          <button type="button" class="button is-small" title=${node.filter} onClick=${() => onView({ filter: node.filter })}>
            <${PacketIcon} name="filter" /><span>Filter by it</span></button>
          ${view.filter && html`<button type="button" class="button is-small" title=${both(view.filter, node.filter)}
            onClick=${() => onView({ filter: both(view.filter, node.filter) })}>and by it</button>`}
          <${Copy} text=${node.filter} label="Copy the filter for this field">Copy filter<//>`
      }
    </footer>
  `;
}
