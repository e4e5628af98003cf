/** One packet in full, and the streams that it belongs to. */

import { html, useEffect, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { useZone } from "../settings.js";
import { formatTime, fromRfc, zoneName } from "../time.js";
import { count, counted } from "../figures.js";
import { packets } from "./api.js";
import { PacketIcon } from "./icons.js";
import { Sides } from "./sides.js";
import { Note, reasonOf } from "./state.js";
import { streamOf } from "./view.js";

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
        <${Follow} detail=${stale ? ofRow(rows.known(number)) : detail} onView=${onView} />
        <${IconButton} icon="left" label="Previous packet of the file" disabled=${number <= 1}
          onClick=${() => onView({ packet: number - 1 })} />
        <${IconButton} icon="right" label="Next packet of the file" disabled=${number >= most}
          onClick=${() => onView({ packet: number + 1 })} />
        <${IconButton} icon="cross" label="Close the packet" onClick=${close} />
      </header>
      ${error && html`<${Note} tone="bad">${reasonOf(error)}<//>`}
      ${detail?.error && html`<${Note} tone="bad">The packet ${detail.error} Its bytes are shown all the same.<//>`}
      ${
        detail &&
        !detail.exact &&
        html`<${Note} tone="warn">Dissected with the packets just before it: what depends on earlier ones may differ.
          ${" "}<button type="button" class="link" onClick=${() => setExactly(number)}>
            Read the file from its beginning</button><//>`
      }
      ${detail && html`<${Sides} job=${job} detail=${detail} view=${view} onView=${onView} />`}
    </section>
  `;
}

/** What the list says already of a packet that is still being dissected: a key pressed at once shall not be lost. */
const ofRow = (row) => ({ streams: row ? [row.stream] : [], layers: [] });

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
    ${detail.capture_source && html`<span class="detail-facts">recorded by ${detail.capture_source}</span>`}
  `;
}

/** Buttons for all that can be followed from this packet. */
function Follow({ detail, onView }) {
  const streams = detail.streams.map(streamOf).filter(Boolean);
  const tcp = streams.find(({ protocol }) => protocol === "tcp");
  const more = ["tls", "http"].filter((protocol) => tcp && detail.layers.includes(protocol));
  const all = [...streams, ...more.map((protocol) => ({ protocol, number: tcp.number }))];
  return all.map(
    (stream) => html`<button type="button" class="button is-small follow-button" key=${stream.protocol + stream.number}
      onClick=${() => onView({ stream })}>
      <${PacketIcon} name="follow" /><span>Follow ${stream.protocol.toUpperCase()}</span></button>`,
  );
}
