/** The table of jobs: sortable, and usable by keyboard from the first row to a download. */

import { html, useRef, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { navigate } from "../route.js";
import { useZone } from "../settings.js";
import { useNow } from "../store.js";
import { canDownload } from "../words.js";
import { actByKey } from "./actions.js";
import { ChosenBar, HiddenNote, useHidden } from "./chosen.js";
import { Row } from "./row.js";

const COLUMNS = [
  { name: "state", word: "State", sort: "state" },
  { name: "question", word: "Question" },
  { name: "window", word: "Window" },
  { name: "sources", word: "Sources" },
  { name: "packets", word: "Packets", sort: "packets", number: true },
  { name: "size", word: "Size", sort: "bytes", number: true },
  { name: "owner", word: "Who", sort: "owner" },
  { name: "age", word: "Asked", sort: "created" },
];

const MOVES = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -Infinity, End: Infinity };

export function Table({ list, sort, onSort, busy }) {
  const zone = useZone();
  const nowUs = useNow(10_000) * 1000;
  const [at, setAt] = useState(null);
  const [chosen, setChosen] = useState(new Set());
  const hidden = useHidden();
  const body = useRef(null);
  const ids = list.ids.filter((id) => !hidden.has(id));
  const active = ids.includes(at) ? at : ids[0];
  const marked = ids.filter((id) => chosen.has(id)).map(list.job);
  const choose = (id) =>
    setChosen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });

  const onKeyDown = (event) => {
    const row = event.target.closest("tr");
    if (event.ctrlKey || event.metaKey || event.altKey || !row) return;
    const move = MOVES[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const rows = [...body.current.rows];
      const next = Math.min(rows.length - 1, Math.max(0, row.rowIndex - rows[0].rowIndex + move));
      rows[next].focus();
      return;
    }
    const job = list.job(row.dataset.id);
    if (event.key === "Enter" && event.target === row) navigate("jobs/" + job.id);
    else if (event.key === "x") choose(job.id);
    else if (event.key === "d" && canDownload(job)) row.querySelector("a[download]").click();
    else if (!actByKey(event.key, job)) return;
    event.preventDefault();
  };
  const open = (event) => {
    if (event.target.closest("a, button, input, .cell-choose") || getSelection().toString()) return;
    navigate("jobs/" + event.target.closest("tr").dataset.id);
  };
  return html`
    ${marked.length > 0 && html`<${ChosenBar} jobs=${marked} onClear=${() => setChosen(new Set())} />`}
    <table class="jobs-table" aria-label="Jobs" aria-busy=${list.loading}>
      <thead>
        <tr>
          <th scope="col" class="cell-choose"><span class="visually-hidden">Choose</span></th>
          ${COLUMNS.map(
            (column) => html`<${Head} key=${column.name} column=${column} sort=${sort} onSort=${onSort} />`,
          )}
          <th scope="col" class="cell-actions"><span class="visually-hidden">Actions</span></th>
        </tr>
      </thead>
      <tbody ref=${body} onKeyDown=${onKeyDown} onClick=${open} onPointerEnter=${() => busy("pointer", true)}
        onPointerLeave=${() => busy("pointer", false)} onFocusIn=${() => busy("focus", true)}
        onFocusOut=${() => busy("focus", false)}>
        ${ids.map(
          (id) => html`<${Row} key=${id} id=${id} kept=${list.job(id)} zone=${zone} nowUs=${nowUs}
            tabindex=${id === active ? 0 : -1} isChosen=${chosen.has(id)} onFocus=${() => setAt(id)}
            onChoose=${() => choose(id)} />`,
        )}
      </tbody>
    </table>
    <${HiddenNote} number=${list.ids.length - ids.length} />
  `;
}

const NEWEST_FIRST = "-created";

/** A column's head; sorting goes from high to low first, then the other way, then back to newest first. */
function Head({ column, sort, onSort }) {
  const look = `cell-${column.name}${column.number ? " cell-number" : ""}`;
  if (!column.sort) return html`<th scope="col" class=${look}>${column.word}</th>`;
  const used = sort || NEWEST_FIRST;
  const direction = used === column.sort ? "ascending" : used === "-" + column.sort ? "descending" : undefined;
  const next = direction === "descending" ? column.sort : direction === "ascending" ? "" : "-" + column.sort;
  return html`
    <th scope="col" class=${look} aria-sort=${direction}>
      <button type="button" class=${`sort is-${direction ?? "not"}`} onClick=${() => onSort(next)}>
        ${column.word}<${Icon} name="chevron" />
      </button>
    </th>
  `;
}
