/** All sources along one axis of time: how far back each reaches, and up to when it can be read. */

import { html } from "../dom.js";
import { Axis, Lane } from "../ask/lanes.js";
import { viewOfAll } from "../ask/scale.js";
import { useZone } from "../settings.js";
import { useNow } from "../store.js";
import { formatDuration, fromRfc } from "../time.js";

export function Reach({ sources }) {
  const nowUs = Math.round(useNow(5000) * 1000);
  const zone = useZone();
  const view = viewOfAll(
    sources.map((source) => fromRfc(source.oldest)),
    nowUs,
  );
  return html`
    <section class="panel reach" aria-labelledby="reach-title">
      <header class="panel-head"><h2 id="reach-title">What each has</h2></header>
      <div class="where">
        <ul class="ticks">
          ${sources.map(
            (source) => html`<li class="tick-row" key=${source.name}><span class="tick-text">
            <span class="tick-name">${source.name}</span><span class="tick-says">${reachOf(source)}</span>
          </span></li>`,
          )}
        </ul>
        <div class="timeline"><div class="lanes">
          ${sources.map((source) => html`<${Lane} key=${source.name} source=${source} view=${view} nowUs=${nowUs} />`)}
          <${Axis} view=${view} zone=${zone} nowUs=${nowUs} />
        </div></div>
      </div>
    </section>
  `;
}

function reachOf(source) {
  const [oldest, edge] = [fromRfc(source.oldest), fromRfc(source.readable_until)];
  return oldest === null || edge === null ? "Not known" : formatDuration(Math.max(0, edge - oldest));
}
