/** The packets themselves: a display filter, the list of those that it shows, and one of them in full. */

import { html, useState } from "../dom.js";
import { setSetting, useSetting } from "../settings.js";
import { count, percent } from "../figures.js";
import { ColumnMenu } from "./columns.js";
import { Detail } from "./detail.js";
import { DissectionDialog } from "./dissection.js";
import { FilterBox } from "./filter.js";
import { PacketFind } from "./find.js";
import { PacketIcon } from "./icons.js";
import { filterOf, useMarks } from "./marks.js";
import { useRows } from "./rows.js";
import { OriginChoice, originsOf } from "./origins.js";
import { Note, reasonOf } from "./state.js";
import { PacketTable } from "./table.js";

export function Packets({ job, summary, view, onView, onDissected }) {
  const [dissecting, setDissecting] = useState(false);
  const [turn, setTurn] = useState(0);
  const rows = useRows(job, view.filter, view.source, turn);
  const origins = originsOf(summary);
  const clock = useSetting("packetTimes") ?? "clock";
  const misread = rows.error?.errors.find((fault) => fault.field === "filter") ?? null;
  return html`
    <section class="panel packets" aria-labelledby="packets-title">
      <header class="panel-head">
        <h2 id="packets-title">Packets<span class="count">${rows.facts && shown(rows.facts)}</span></h2>
        <span class="grow"></span>
        <${PacketFind} filter=${misread ? "" : view.filter} onFilter=${(filter) => onView({ filter, packet: null })} />
        <${OriginChoice} names=${origins} chosen=${view.source}
          onChoose=${(source) => onView({ source, packet: null })} />
        <label class="packets-times">Time <select value=${clock}
          onChange=${(event) => setSetting("packetTimes", event.target.value)}>
          <option value="clock">absolute</option><option value="relative">since the first packet</option>
        </select></label>
        <${Marked} job=${job} onView=${onView} />
        <${ColumnMenu} />
        <button type="button" class="button is-small" onClick=${() => setDissecting(true)}>Dissection</button>
        <button type="button" class="button is-small"
          onClick=${() => onView({ refine: { filter: misread ? "" : view.filter, source: view.source } })}>
          <${PacketIcon} name="refine" /><span>Refine</span></button>
      </header>
      <${FilterBox} filter=${view.filter} fault=${misread} busy=${!rows.facts && !rows.error}
        onFilter=${(filter) => {
          if (filter === view.filter) setTurn(turn + 1);
          onView({ filter, packet: filter === view.filter ? view.packet : null });
        }} />
      ${rows.facts?.state === "working" && html`<p class="packets-says hint" role="status">${working(rows.facts)}</p>`}
      ${rows.facts?.note && html`<${Note} tone="warn">${rows.facts.note}<//>`}
      ${
        rows.error && !misread
          ? html`<${Note} tone="bad">${reasonOf(rows.error)} <button type="button" class="link"
              onClick=${() => setTurn(turn + 1)}>Try again</button><//>`
          : html`<${PacketTable} job=${job} rows=${rows} view=${view} clock=${clock}
              isSeveral=${origins.length > 0} onView=${onView} />`
      }
      ${view.packet && html`<${Detail} job=${job} number=${view.packet} rows=${rows} view=${view} onView=${onView} />`}
      ${dissecting && html`<${DissectionDialog} job=${job} onClose=${() => setDissecting(false)} onDissected=${onDissected} />`}
    </section>
  `;
}

/** The way to the packets that were marked. */
function Marked({ job, onView }) {
  const marks = useMarks(job.id);
  if (!marks.size) return null;
  return html`<button type="button" class="button is-small"
    onClick=${() => onView({ filter: filterOf(marks), packet: null })}>Marked ${count(marks.size)}</button>`;
}

const shown = ({ total, packets, filter, sources }) =>
  !filter.trim() && !sources.length && total === packets ? count(packets) : `${count(total)} of ${count(packets)}`;

const working = ({ progress, total }) => `Still reading: ${percent(progress)}, ${count(total)} so far.`;
