/** The sources: health, what each has, its own counters, what it is busy with. */

import { html, useEffect } from "../dom.js";
import { setPageTitle } from "../notices.js";
import { useStore } from "../store.js";
import { counted } from "../figures.js";
import { SourceCard } from "./card.js";
import { Reach } from "./reach.js";

export default function SourcesPage() {
  useEffect(() => setPageTitle("Sources"), []);
  const sources = useStore((state) => state.sources);
  const loaded = useStore((state) => state.loaded);
  const list = [...sources.values()];
  const offline = list.filter((source) => source.state !== "online").length;
  const all = counted(list.length, "source");
  const health = offline ? `${offline} of ${all} offline` : `${all}, all online`;
  return html`
    <header class="page-head">
      <h1>Sources</h1>
      <p>${list.length > 0 && health}</p>
    </header>
    ${!loaded && html`<section class="panel"><p class="empty" role="status">Loading sources…</p></section>`}
    ${
      loaded &&
      !list.length &&
      html`<section class="panel"><p class="empty">
        No source has said a word yet. Start a worker: <code>docket worker SENSOR:INTERFACE</code>.
      </p></section>`
    }
    ${list.length > 0 && html`<${Reach} sources=${list} />`}
    <div class="cards">${list.map((source) => html`<${SourceCard} key=${source.name} source=${source} />`)}</div>
  `;
}
