/** The sources: health, what each has, its own counters, what it is busy with. Of many, the one that is chosen. */

import { html, useEffect, useMemo, useState } from "../dom.js";
import { found, rowsOf, sensorOf } from "../ask/grouping.js";
import { Icon } from "../parts/icons.js";
import { setPageTitle } from "../notices.js";
import { useSearch } from "../route.js";
import { store, useStore } from "../store.js";
import { count, counted } from "../figures.js";
import { useBusy } from "./busy.js";
import { SourceCard } from "./card.js";
import { NotWell } from "./faults.js";
import { Reach } from "./reach.js";

/** Up to so many are all shown at once. */
const FEW = 12;

export default function SourcesPage() {
  useEffect(() => setPageTitle("Sources"), []);
  const names = useStore((state) => state.names);
  const loaded = useStore((state) => state.loaded);
  const offline = useStore((state) => state.offline);
  const faulty = useStore((state) => state.faulty);
  const busy = useBusy();
  const all = counted(names.length, "source");
  const health = offline ? `${count(offline)} of ${all} offline` : `${all}, all online`;
  return html`
    <header class="page-head">
      <h1>Sources</h1>
      <p>${names.length > 0 && health}${faulty > 0 && `, ${count(faulty)} not well`}</p>
    </header>
    <${NotWell} />
    ${!loaded && html`<section class="panel"><p class="empty" role="status">Loading sources…</p></section>`}
    ${
      loaded &&
      !names.length &&
      html`<section class="panel"><p class="empty">
        No source has reported yet. Start a worker: <code>docket worker SENSOR:INTERFACE</code>.
      </p></section>`
    }
    ${names.length > 0 && (names.length > FEW ? html`<${Many} names=${names} busy=${busy} />` : html`<${Few} names=${names} busy=${busy} />`)}
  `;
}

function Few({ names, busy }) {
  return html`
    <${Reach} rows=${names.map((name) => ({ key: name, name }))} />
    <div class="cards">${names.map((name) => html`<${SourceCard} key=${name} name=${name} busy=${busy} />`)}</div>
  `;
}

function Many({ names, busy }) {
  const [search, setSearch] = useState("");
  const [down, setDown] = useState(false);
  const presence = useStore((state) => state.presence);
  const chosen = useSearch().get("source");
  const [opened, setOpened] = useState(() => new Set(chosen ? [sensorOf(chosen)] : []));
  const shown = useMemo(
    () => found(names, search).filter((name) => !down || store.state.sources.get(name)?.state !== "online"),
    [names, search, down, presence],
  );
  const rows = useMemo(() => rowsOf(shown, search, opened), [shown, search, opened]);
  const sensors = rows.filter((row) => row.sensor);
  const isAnyOpen = sensors.some((row) => row.open);
  const fold = (sensor) => {
    const next = new Set(opened);
    next[next.has(sensor) ? "delete" : "add"](sensor);
    setOpened(next);
  };
  const foldAll = () => setOpened(new Set(isAnyOpen ? [] : sensors.map((row) => row.sensor)));
  return html`
    <${Reach} rows=${rows} many chosen=${chosen} onFold=${fold}>
      <span class="search">
        <${Icon} name="search" />
        <input type="search" id="source-search" aria-label="Search sources" placeholder="Search  /" value=${search}
          onInput=${(event) => setSearch(event.target.value)} />
      </span>
      <button type="button" class="segment" aria-pressed=${down} onClick=${() => setDown(!down)}>Offline only</button>
      ${
        sensors.length > 0 &&
        !search.trim() &&
        html`<button type="button" class="segment" onClick=${foldAll}>${isAnyOpen ? "Fold all" : "Unfold all"}</button>`
      }
      <span class="hint" aria-live="polite">${counted(shown.length, "source")}</span>
    <//>
    ${
      chosen
        ? html`<div class="cards"><${SourceCard} key=${chosen} name=${chosen} busy=${busy} /></div>`
        : html`<p class="hint">Choose a source to see its counters and its jobs.</p>`
    }
  `;
}
