/** The first page: the question to ask, and below it the jobs. */

import { html, useEffect, useRef, useState } from "../dom.js";
import { Button, Fault, IconButton } from "../parts/button.js";
import { AskPanel } from "../ask/panel.js";
import { setPageTitle } from "../notices.js";
import { count, counted } from "../figures.js";
import { useSearch } from "../route.js";
import { Filters, NO_FILTERS, filtersOfAddress, putInAddress } from "./filters.js";
import { PAGE_SIZE, useListing } from "./listing.js";
import { Table } from "./table.js";
import { aboutTag } from "./tags.js";

export default function JobsPage() {
  useEffect(() => setPageTitle(""), []);
  return html`<h1 class="visually-hidden">Ask and jobs</h1><${AskPanel} /><${JobsPanel} />`;
}

function JobsPanel() {
  const [filters, setFilters] = useState(filtersOfAddress);
  const hands = useRef({ pointer: false, focus: false });
  const list = useListing(filters, () => hands.current.pointer || hands.current.focus);
  const change = (next) => {
    setFilters(next);
    putInAddress(next);
    list.restart();
  };
  const address = useSearch().toString();
  useEffect(() => {
    // A link to a tag, or a step back, changes the address of this page and nothing else.
    const next = filtersOfAddress();
    if (JSON.stringify(next) === JSON.stringify(filters)) return;
    setFilters(next);
    list.restart();
  }, [address]);
  const sortBy = (sort) => change({ ...filters, sort });
  const busy = (hand, on) => {
    hands.current[hand] = on;
    const free = !hands.current.pointer && !hands.current.focus;
    if (free && list.held.length && list.page === 1 && !filters.sort) list.restart();
  };
  return html`
    <section class="jobs panel" aria-labelledby="jobs-title">
      <header class="panel-head">
        <h2 id="jobs-title">${filters.tag ? aboutTag(filters.tag) : "Jobs"} ${list.total !== null && html`<span class="count">${count(list.total)}</span>`}</h2>
        <${Filters} filters=${filters} onChange=${change} />
        <span class="grow"></span>
        <${Paging} list=${list} />
      </header>
      <div class="held" aria-live="polite">
        ${
          list.held.length > 0 &&
          html`<${Button} icon="again" look="is-small" onClick=${list.restart}>${counted(list.held.length, "new job")}: show<//>`
        }
      </div>
      ${
        list.error &&
        html`<${Fault} role="alert" fault=${{ message: `The list could not be loaded. ${list.error.message}` }}>
          <button type="button" class="link" onClick=${list.restart}>Try again</button>
        <//>`
      }
      ${
        list.ids.length > 0
          ? html`<${Table} list=${list} sort=${filters.sort} onSort=${sortBy} busy=${busy} />`
          : html`<${Nothing} list=${list} filters=${filters} onClear=${() => change(NO_FILTERS)} />`
      }
    </section>
  `;
}

function Paging({ list }) {
  if (list.page === 1 && !list.next) return null;
  const first = (list.page - 1) * PAGE_SIZE + 1;
  return html`
    <nav class="paging" aria-label="Pages of the list">
      <${IconButton} icon="left" label="Newer jobs" disabled=${list.page === 1} onClick=${() => list.turn(false)} />
      <span class="figure">${count(first)}–${count(first + Math.max(0, list.ids.length - 1))}</span>
      <${IconButton} icon="right" label="Older jobs" disabled=${!list.next} onClick=${() => list.turn(true)} />
    </nav>
  `;
}

function Nothing({ list, filters, onClear }) {
  if (list.loading) return html`<p class="empty" role="status">Loading jobs…</p>`;
  if (list.error) return null;
  const filtered = Object.entries(filters).some(([name, value]) => name !== "sort" && value);
  if (!filtered) return html`<p class="empty">No jobs yet. Say when and what above, then press Ask.</p>`;
  return html`
    <p class="empty">
      No job matches these filters. <button type="button" class="link" onClick=${onClear}>Show all jobs</button>
    </p>
  `;
}
