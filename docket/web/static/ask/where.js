/** Which sources to ask: the list at the left, what each has over time at the right, row beside row. */

import { html, names as classes, useMemo, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { useWindowed } from "../parts/windowed.js";
import { useStore } from "../store.js";
import { count, counted } from "../figures.js";
import { changeDraft } from "./draft.js";
import { FEW, chooseSome, found, rowsOf } from "./grouping.js";
import { SourceRow } from "./sources.js";
import { Timeline } from "./timeline.js";

const IN_VIEW = 7;

export function Where({ draft, coverage, known }) {
  const all = useStore((state) => state.names);
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState(new Set());
  const chosen = useMemo(() => draft.sources && new Set(draft.sources), [draft.sources]);
  const says = useMemo(() => new Map((coverage ?? []).map((one) => [one.source, one])), [coverage]);
  const rows = useMemo(() => rowsOf(all, search, opened), [all, search, opened]);
  const many = all.length > FEW;
  const inView = many ? IN_VIEW : rows.length;
  const view = useWindowed(rows.length, inView);
  const drawn = rows.slice(view.first, view.last);
  const choose = (sources) => changeDraft({ sources });
  const fold = (sensor) => {
    const next = new Set(opened);
    if (!next.delete(sensor)) next.add(sensor);
    setOpened(next);
  };
  const row = (one, at) => html`<${SourceRow} key=${one.key} row=${one} says=${says} known=${known} wait=${draft.wait}
    chosen=${chosen} choice=${all.length > 1} isTab=${!many || view.first + at === Math.ceil(view.top)}
    onTick=${(names, wanted) => choose(chooseSome(all, chosen, names, wanted))}
    onOnly=${(names) => choose(chooseSome(all, new Set(), names, true))} onFold=${() => fold(one.sensor)} />`;
  const wheel = (event) => many && view.box.current.scrollBy({ top: event.deltaY });
  const sizes = { "--rows": rows.length, "--in-view": Math.min(inView, rows.length), "--first": view.first };
  return html`
    <div class=${classes("where", { "is-many": many })} style=${{ ...sizes, "--top": view.top }}>
      ${many && html`<${Head} all=${all} chosen=${chosen} search=${search} onSearch=${setSearch} onChoose=${choose} />`}
      <fieldset class="ticks" ref=${view.box} onScroll=${view.onScroll} onKeyDown=${(event) => many && byKey(event)}>
        <legend class="visually-hidden">Sources to ask</legend>
        <div class="tick-field"><div class="tick-rows">${drawn.map(row)}</div></div>
      </fieldset>
      ${all.length > 0 && html`<${Timeline} rows=${drawn} when=${draft.when} chosen=${chosen} onWheel=${wheel} />`}
      ${many && !rows.length && html`<p class="hint">No source has this in its name.</p>`}
    </div>
  `;
}

/** Arrow keys go from row to row; right and left open and close a sensor. */
function byKey(event) {
  const row = event.target.closest(".tick-row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  const isOpen = row.querySelector(".twist")?.getAttribute("aria-expanded");
  const turns = { ArrowRight: "false", ArrowLeft: "true" }[event.key];
  if (next) next.querySelector("input").focus();
  else if (turns && isOpen === turns) row.querySelector(".twist").click();
  else return;
  event.preventDefault();
}

function Head({ all, chosen, search, onSearch, onChoose }) {
  const offline = useStore((state) => state.offline);
  const matching = search.trim() ? found(all, search) : null;
  const number = chosen ? chosen.size : all.length;
  const button = (word, title, run) =>
    html`<button type="button" class="button is-small" title=${title} onClick=${run}>${word}</button>`;
  return html`
    <div class="where-head">
      <span class="search">
        <${Icon} name="search" />
        <input type="search" id="source-search" aria-label="Search sources" placeholder="Search sources" value=${search}
          onInput=${(event) => onSearch(event.target.value)} />
      </span>
      ${button("All", "Ask every source", () => onChoose(null))}
      ${button("None", "Ask no source", () => onChoose([]))}
      ${matching && button(`Only these ${count(matching.length)}`, "Ask only the sources found", () => onChoose(matching))}
      <span class="hint" aria-live="polite">
        ${number === all.length ? `All ${counted(all.length, "source")}` : `${count(number)} of ${counted(all.length, "source")}`}
        ${offline > 0 && `, ${count(offline)} offline`}
      </span>
    </div>
  `;
}
