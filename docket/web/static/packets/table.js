/** The list of packets: only the rows in view are drawn, however many there are. By keyboard like a list. */

import { html, names, useEffect, useLayoutEffect, useRef, useState } from "../dom.js";
import { useSetting, useZone } from "../settings.js";
import { fromRfc } from "../time.js";
import { templateOf, useColumns } from "./columns.js";
import { Head, Line, Nothing } from "./line.js";
import { toggleMark, useMarks } from "./marks.js";
import { useNarrow } from "./narrow.js";

const LOW = 24;
const HIGH = 62;
/** Browsers draw nothing below some ten million pixels; a longer list scrolls faster than its rows. */
const MOST_HEIGHT = 8_000_000;
const SHOWN_ROWS = 16;
const FEWEST_ROWS = 3;
const SETTLE_MS = 120;

export function PacketTable({ job, rows, view, clock, isSeveral, onView }) {
  const zone = useZone();
  const columns = useColumns(isSeveral);
  const coloured = useSetting("packetColours") ?? true;
  const marks = useMarks(job.id);
  const isNarrow = useNarrow();
  const box = useRef(null);
  const [scroll, setScroll] = useState(0);
  const [active, setActive] = useState(0);
  const settle = useRef(null);
  // A pixel stands for several rows of a very long list: which of them is meant is kept beside it.
  const pinned = useRef(null);
  const total = rows.facts?.total ?? 0;
  const height = isNarrow ? HIGH : LOW;
  const inView = isNarrow ? 6 : SHOWN_ROWS;
  const full = total * height;
  const field = Math.min(full, MOST_HEIGHT);
  const last = Math.max(0, total - inView);
  const reach = Math.max(1, field - inView * height);
  const computed = full > field ? Math.round((scroll / reach) * last) : scroll / height;
  const top = pinned.current?.scroll === scroll ? pinned.current.top : computed;
  const first = Math.max(0, Math.min(Math.floor(top), last));
  const places = Array.from({ length: Math.min(inView + 2, total - first) }, (_, index) => first + index);

  useEffect(() => {
    rows.want(first, Math.min(first + inView + 1, Math.max(0, total - 1)));
  }, [rows, first, total]);
  useLayoutEffect(() => {
    box.current.scrollTop = 0;
    pinned.current = null;
    setScroll(0);
    setActive(0);
  }, [rows]);

  // A link, or the way to the next one, brings the row of a packet into view.
  useEffect(() => {
    if (!view.packet || !total || rows.at(active)?.number === view.packet) return undefined;
    let isWanted = true;
    rows.placeOf(view.packet).then((place) => {
      if (!isWanted || place === null) return;
      setActive(place);
      show(place);
    });
    return () => {
      isWanted = false;
    };
  }, [view.packet, total > 0, rows]);

  const show = (place) => {
    const start = place < top + 1 ? place : place > top + inView - 1 ? place - inView + 1 : null;
    if (start === null) return;
    const begin = Math.max(0, Math.min(start, last));
    box.current.scrollTop = full > field ? (begin / Math.max(1, last)) * reach : begin * height;
    pinned.current = { scroll: box.current.scrollTop, top: begin };
    setScroll(box.current.scrollTop);
  };
  const open = (place, quiet) => {
    const row = rows.at(place);
    if (row) onView({ packet: row.number }, { quiet });
  };
  const go = (place) => {
    const next = Math.max(0, Math.min(total - 1, place));
    setActive(next);
    show(next);
    clearTimeout(settle.current);
    if (view.packet) settle.current = setTimeout(() => open(next, true), SETTLE_MS);
  };
  const moves = {
    ArrowDown: 1,
    j: 1,
    ArrowUp: -1,
    k: -1,
    PageDown: inView - 1,
    PageUp: 1 - inView,
    Home: -total,
    End: total,
  };
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) go(active + moves[event.key]);
    else if (event.key === "Enter") open(active);
    else if (event.key === "m" && rows.at(active)) toggleMark(job.id, rows.at(active).number);
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
  // Until it is known how long the list is, the page shall not jump.
  const drawn = rows.facts || rows.error ? Math.min(inView, Math.max(total, FEWEST_ROWS)) : inView;
  const sizes = { "--rows": drawn, "--height": height + "px", "--columns": templateOf(columns) };
  return html`
    <div class=${names("grid", { "is-empty": total === 0 })} role="grid" aria-label="Packets" aria-rowcount=${total + 1}
      aria-colcount=${columns.length} tabindex="0"
      aria-activedescendant=${places.includes(active) ? `packet-row-${active}` : undefined} ref=${box} style=${sizes}
      onKeyDown=${onKeyDown} onClick=${click}
      onScroll=${(event) => setScroll(event.currentTarget.scrollTop)}>
      <${Head} columns=${columns} clock=${clock} zone=${zone} us=${fromRfc(rows.at(first)?.time) ?? Date.now() * 1000} />
      <div class="grid-field" role="rowgroup" style=${{ height: field + "px" }}>
        <div class="grid-rows" role="presentation" style=${{ transform: `translateY(${shift}px)` }}>
          ${places.map(
            (place) => html`<${Line} key=${place} place=${place} row=${rows.at(place)} before=${rows.at(place - 1)}
              columns=${columns} zone=${zone} clock=${clock} coloured=${coloured} isActive=${place === active}
              isOpen=${rows.at(place)?.number === view.packet} isMarked=${marks.has(rows.at(place)?.number)} />`,
          )}
        </div>
      </div>
      <${Nothing} rows=${rows} total=${total} />
    </div>
  `;
}
