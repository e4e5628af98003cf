/** Search and filters of the list, kept in the address so that a view can be shared and gone back to. */

import { html, useId, useLayoutEffect, useState } from "../dom.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icons.js";
import { useStore } from "../store.js";
import { FEW } from "../ask/grouping.js";

const NAMES = ["text", "state", "owner", "source", "tag", "sort"];

export const NO_FILTERS = { text: "", state: "", owner: "", source: "", tag: "", sort: "" };

export function filtersOfAddress() {
  const search = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.map((name) => [name, search.get(name) ?? ""]));
}

export function putInAddress(filters) {
  const search = new URLSearchParams();
  for (const name of NAMES) if (filters[name]) search.set(name, filters[name]);
  const text = search.toString();
  history.replaceState(null, "", location.pathname + (text ? "?" + text : ""));
}

const STATES = [
  ["", "All states"],
  ["queued,running", "Running"],
  ["completed", "Complete"],
  ["partial", "Partial"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
  ["expired", "Expired"],
];

/** Whether a job that just appeared belongs into the list; the server decides the same way. */
export function matches(job, filters) {
  const { text, state, owner, source, tag } = filters;
  if (state && !state.split(",").includes(job.state)) return false;
  if (owner && job.owner !== owner) return false;
  if (source && !job.sources.some((one) => one.name === source)) return false;
  if (tag && !job.tags?.includes(tag)) return false;
  const haystack = `${job.id} ${job.query} ${job.note} ${job.owner}`.toLowerCase();
  return !text || haystack.includes(text.toLowerCase());
}

export function Filters({ filters, onChange }) {
  const sources = useStore((state) => state.names);
  const [text, setText] = useState(filters.text);
  // At once: a key that was pressed before a late effect would be lost.
  useLayoutEffect(() => setText(filters.text), [filters.text]);
  const user = useStore((state) => state.user);
  const id = useId();
  const set = (name) => (event) => onChange({ ...filters, [name]: event.target.value });
  const owners = useStore((state) => state.owners);
  const search = (value) => {
    setText(value);
    onChange({ ...filters, text: value });
  };
  const clear = () => {
    setText("");
    onChange({ ...NO_FILTERS, sort: filters.sort });
  };
  const any = NAMES.some((name) => name !== "sort" && filters[name]);
  return html`
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <span class="search">
        <${Icon} name="search" />
        <input type="search" id="job-search" aria-label="Search jobs" placeholder="Search  /" value=${text}
          onInput=${(event) => search(event.target.value)} />
      </span>
      <select aria-label="State" value=${filters.state} onChange=${set("state")}>
        ${STATES.map(([value, word]) => html`<option key=${value} value=${value}>${word}</option>`)}
      </select>
      <${SourceFilter} sources=${sources} value=${filters.source} onChange=${set("source")} />
      <input class="owner" aria-label="Owner" placeholder="Any owner" list=${id} value=${filters.owner}
        onChange=${set("owner")} />
      ${
        user &&
        html`<button type="button" class="segment" aria-pressed=${filters.owner === user}
          onClick=${() => onChange({ ...filters, owner: filters.owner === user ? "" : user })}>Mine</button>`
      }
      <datalist id=${id}>${owners.map((owner) => html`<option key=${owner} value=${owner} />`)}</datalist>
      <input class="owner" aria-label="Tag" placeholder="Any tag" title="such as alert:2024217 or rule:grave"
        value=${filters.tag} onChange=${set("tag")} />
      ${any && html`<${Button} icon="cross" look="is-small" onClick=${clear}>No filters<//>`}
    </form>
  `;
}

/** A list to choose from, or where that would be long, a field that proposes names. */
function SourceFilter({ sources, value, onChange }) {
  const id = useId();
  if (sources.length > FEW) {
    return html`
      <input class="owner" aria-label="Source" placeholder="All sources" list=${id} value=${value} onChange=${onChange} />
      <datalist id=${id}>${sources.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    `;
  }
  return html`
    <select aria-label="Source" value=${value} onChange=${onChange}>
      <option value="">All sources</option>
      ${sources.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select>
  `;
}
