/** What the list of packets is made of: its head, one packet in a line, and what stands there without any. */

import { html, names } from "../dom.js";
import { formatExactClock, formatTime, fromRfc, zoneName } from "../time.js";
import { count } from "../figures.js";

export const COLUMNS = ["No.", "Time", "Source", "Destination", "Protocol", "Length", "Info"];

export function Head({ clock, zone, us }) {
  const isClock = (word) => word === "Time" && clock === "clock";
  return html`
    <div class="grid-head" role="row" aria-rowindex="1">
      ${COLUMNS.map(
        (word) => html`<span role="columnheader" key=${word} class=${`is-${word.toLowerCase().replace(".", "")}`}>
          ${word}${isClock(word) && html` <span class="faint">${zoneName(us, zone)}</span>`}</span>`,
      )}
    </div>
  `;
}

/** What stands in the place of rows. */
export function Nothing({ rows, total }) {
  if (rows.error) return html`<p class="empty">The filter is not understood; no packet is shown.</p>`;
  if (!rows.facts) return html`<p class="empty" role="status">Loading the packets…</p>`;
  return total === 0 && rows.facts.state !== "working" && html`<p class="empty">No packet is shown by this filter.</p>`;
}

const SEVERITIES = { error: "bad", warning: "warn", note: "idle" };

export function Line({ place, row, zone, clock, isActive, isOpen }) {
  const look = names("grid-row", { "is-active": isActive, "is-open": isOpen });
  const id = `packet-row-${place}`;
  const facts = { class: look, role: "row", id, "aria-rowindex": place + 2, "aria-selected": isOpen };
  if (!row) return html`<div ...${facts}><span role="gridcell" class="is-no faint">…</span></div>`;
  const us = fromRfc(row.time);
  const tone = SEVERITIES[row.severity];
  return html`
    <div ...${facts} data-place=${place}>
      <span role="gridcell" class="is-no figure">${count(row.number)}</span>
      <span role="gridcell" class="is-time figure" title=${formatTime(us, zone)}>
        ${clock === "clock" ? formatExactClock(us, zone) : row.relative_s.toFixed(6)}</span>
      <span role="gridcell" class="is-source stranger" title=${row.source}>${row.source}</span>
      <span role="gridcell" class="is-destination stranger" title=${row.destination}>${row.destination}</span>
      <span role="gridcell" class="is-protocol stranger">${row.protocol}</span>
      <span role="gridcell" class="is-length figure">${count(row.length)}</span>
      <span role="gridcell" class="is-info stranger" title=${row.info}>
        ${tone && html`<span class=${`severity tone-${tone}`}>${row.severity}</span>`}${row.info}</span>
    </div>
  `;
}
