/** One job as a row of the table. */

import { Component, html } from "../dom.js";
import { useStore } from "../store.js";
import { SourceBar } from "../parts/bar.js";
import { Badge } from "../parts/icons.js";
import { Link } from "../route.js";
import { formatDay, formatDuration, formatClock, formatTime, fromRfc, shortAge } from "../time.js";
import { count, percent, size } from "../figures.js";
import { askedOf, isFull, progressOf, stateOf } from "../words.js";
import { Actions } from "./actions.js";
import { TagLink } from "./tags.js";

const MOST_BARS = 5;

/** Follows its job by itself, so that a change draws this row and no other; `kept` is the job as it was listed. */
export function Row({ id, kept, ...rest }) {
  const job = useStore((state) => state.jobs.get(id)) ?? kept;
  return html`<${Cells} job=${job} ...${rest} />`;
}

class Cells extends Component {
  shouldComponentUpdate(next) {
    return ["job", "zone", "tabindex", "nowUs", "isChosen"].some((name) => next[name] !== this.props[name]);
  }

  render({ job, zone, tabindex, nowUs, isChosen, onFocus, onChoose }) {
    const created = fromRfc(job.created_at);
    return html`
      <tr data-id=${job.id} tabindex=${tabindex} onFocus=${onFocus} class=${isChosen ? "is-chosen" : ""}>
        <td class="cell-choose"><input type="checkbox" tabindex="-1" checked=${isChosen} onChange=${onChoose}
          aria-label=${`Choose ${askedOf(job)}`} /></td>
        <td class="cell-state"><${Badge} of=${stateOf(job)}>${job.state === "running" && ` ${percent(progressOf(job))}`}<//></td>
        <td class="cell-question">
          <${Link} to=${"jobs/" + job.id} tabindex="-1" title=${job.explanation}>
            <code>${askedOf(job)}</code>
          <//>
          ${job.case && html`<span class="tag">${job.case}</span>`}
          ${job.tags?.map((tag) => html`<${TagLink} key=${tag} tag=${tag} tabindex="-1" />`)}
          ${job.note && html`<span class="note" title=${job.note}>${job.note}</span>`}
        </td>
        <td class="cell-window"><${Window} job=${job} zone=${zone} /></td>
        <td class="cell-sources"><${Sources} job=${job} /></td>
        <td class="cell-number" data-label=${job.packets === 1 ? "packet" : "packets"}>${count(job.packets)}</td>
        <td class="cell-number" data-label="">${size(job.pcap?.size ?? job.bytes)}</td>
        <td class="cell-owner" title=${job.owner}>${job.owner || html`<span class="faint">not known</span>`}</td>
        <td class="cell-age">
          <time datetime=${job.created_at} title=${formatTime(created, zone)}>${shortAge(created, Math.max(created, nowUs))}</time>
        </td>
        <td class="cell-actions"><${Actions} job=${job} compact /></td>
      </tr>
    `;
  }
}

function Window({ job, zone }) {
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  return html`
    <span class="window-start">${formatDay(after, zone).slice(5)} ${formatClock(after, zone).slice(0, 8)}</span>
    <span class="window-span">${formatDuration(before - after)}</span>
  `;
}

function Sources({ job }) {
  const shown = job.sources.slice(0, MOST_BARS);
  const full = job.sources.filter((source) => isFull(source.verdict)).length;
  return html`
    <span class="bars">
      ${shown.map((source) => html`<${SourceBar} key=${source.name} source=${source} job=${job} />`)}
    </span>
    <span class="figure">${full}/${job.sources.length}</span>
  `;
}
