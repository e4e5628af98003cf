/** The list of packets: only the rows in view are drawn, however many there are. By keyboard like a list. */

import { html, names, useEffect, useLayoutEffect, useRef, useState } from "../dom.js";
import { useZone } from "../settings.js";
import { formatClock, formatTime, fromRfc, zoneName } from "../time.js";
import { count } from "../figures.js";
import { useNarrow } from "./narrow.js";

const LOW = 24;
const HIGH = 62;
const MOST_HEIGHT = 8_000_000;
/** Browsers draw nothing below some ten million pixels; a longer list scrolls faster than its rows. */
const SHOWN_ROWS = 16;
const SETTLE_MS = 120;

const COLUMNS = ["No.", "Time", "Source", "Destination", "Protocol", "Length", "Info"];

export function PacketTable({ rows, view, clock, onView }) {
  const zone = useZone();
  const isNarrow = useNarrow();
  const box = useRef(null);
  const [scroll, setScroll] = useState(0);
  const [active, setActive] = useState(0);
  const settle = useRef(null);
  const total = rows.facts?.total ?? 0;
  const height = isNarrow ? HIGH : LOW;
  const inView = isNarrow ? 6 : SHOWN_ROWS;
  const full = total * height;
  const field = Math.min(full, MOST_HEIGHT);
  const last = Math.max(0, total - inView);
  const reach = Math.max(1, field - inView * height);
  const top = full > field ? Math.round((scroll / reach) * last) : scroll / height;
  const first = Math.max(0, Math.min(Math.floor(top), last));
  const places = Array.from({ length: Math.min(inView + 2, total - first) }, (_, index) => first + index);

  useEffect(() => {
    rows.want(first, Math.min(first + inView + 1, Math.max(0, total - 1)));
  }, [rows, first, total]);
  useLayoutEffect(() => {
    box.current.scrollTop = 0;
    setScroll(0);
    setActive(0);
  }, [rows]);

  // Without a filter, the place of a packet is known: a link, or the way to the next one, brings its row into view.
  useEffect(() => {
    const place = view.packet - 1;
    if (!view.packet || view.filter || !total || rows.at(active)?.number === view.packet) return;
    setActive(Math.min(place, total - 1));
    show(place);
  }, [view.packet, total > 0]);

  const show = (place) => {
    if (place < top + 1) box.current.scrollTop = full > field ? (place / Math.max(1, last)) * reach : place * height;
    else if (place > top + inView - 1) {
      const start = place - inView + 1;
      box.current.scrollTop = full > field ? (start / Math.max(1, last)) * reach : start * height;
    }
  };
  const open = (place) => {
    const row = rows.at(place);
    if (row) onView({ packet: row.number });
  };
  const go = (place) => {
    const next = Math.max(0, Math.min(total - 1, place));
    setActive(next);
    show(next);
    clearTimeout(settle.current);
    if (view.packet) settle.current = setTimeout(() => open(next), SETTLE_MS);
  };
  const moves = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: inView - 1, PageUp: 1 - inView, Home: -total, End: total };
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) go(active + moves[event.key]);
    else if (event.key === "Enter") open(active);
    else if (event.key === "Escape" && view.packet) onView({ packet: null });
    else return;
    event.preventDefault();
  };
  const click = (event) => {
    const place = event.target.closest("[data-place]")?.dataset.place;
    if (place === undefined) return;
    setActive(Number(place));
    open(Number(place));
  };
  const shift = full > field ? scroll : first * height;
  return html`
    <div class=${names("grid", { "is-empty": total === 0 })} role="grid" aria-label="Packets" aria-rowcount=${total + 1}
      aria-colcount=${COLUMNS.length} tabindex="0" aria-activedescendant=${rows.at(active) ? `packet-row-${active}` : undefined}
      onKeyDown=${onKeyDown}>
      <div class="grid-head" role="row" aria-rowindex="1">
        ${COLUMNS.map((word) => html`<span role="columnheader" key=${word} class=${`is-${word.toLowerCase().replace(".", "")}`}>
          ${word}${word === "Time" && clock === "clock" && html` <span class="faint">${zoneName(Date.now() * 1000, zone)}</span>`}</span>`)}
      </div>
      <div class="grid-scroll" role="rowgroup" ref=${box} tabindex="-1" onClick=${click}
        onScroll=${(event) => setScroll(event.currentTarget.scrollTop)} style=${{ "--rows": Math.min(inView, Math.max(total, 3)), "--height": height + "px" }}>
        <div class="grid-field" role="presentation" style=${{ height: field + "px" }}>
          <div class="grid-rows" role="presentation" style=${{ transform: `translateY(${shift}px)` }}>
            ${places.map(
              (place) => html`<${Line} key=${place} place=${place} row=${rows.at(place)} zone=${zone} clock=${clock}
                isActive=${place === active} isOpen=${rows.at(place)?.number === view.packet} />`,
            )}
          </div>
        </div>
        ${total === 0 && rows.facts && rows.facts.state !== "working" && html`<p class="empty">No packet is shown by this filter.</p>`}
        ${rows.error && html`<p class="empty">The filter is not understood; no packet is shown.</p>`}
        ${!rows.facts && !rows.error && html`<p class="empty" role="status">Loading the packets…</p>`}
      </div>
    </div>
  `;
}

const SEVERITIES = { error: "bad", warning: "warn", note: "idle" };

function Line({ place, row, zone, clock, isActive, isOpen }) {
  const look = names("grid-row", { "is-active": isActive, "is-open": isOpen });
  const facts = { class: look, role: "row", id: `packet-row-${place}`, "aria-rowindex": place + 2, "aria-selected": isOpen };
  if (!row) return html`<div ...${facts}><span role="gridcell" class="is-no faint">…</span></div>`;
  const us = fromRfc(row.time);
  const tone = SEVERITIES[row.severity];
  return html`
    <div ...${facts} data-place=${place}>
      <span role="gridcell" class="is-no figure">${count(row.number)}</span>
      <span role="gridcell" class="is-time figure" title=${formatTime(us, zone)}>
        ${clock === "clock" ? formatClock(us, zone) : row.relative_s.toFixed(6)}</span>
      <span role="gridcell" class="is-source stranger" title=${row.source}>${row.source}</span>
      <span role="gridcell" class="is-destination stranger" title=${row.destination}>${row.destination}</span>
      <span role="gridcell" class="is-protocol stranger">${row.protocol}</span>
      <span role="gridcell" class="is-length figure">${count(row.length)}</span>
      <span role="gridcell" class="is-info stranger" title=${row.info}>
        ${tone && html`<span class=${`severity tone-${tone}`}>${row.severity}</span>`}${row.info}</span>
    </div>
  `;
}
