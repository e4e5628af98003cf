/** A packet's fields and its bytes, side by side: what is selected in one is marked in the other. */

import { html, useEffect, useMemo, useState } from "../dom.js";
import { Copy } from "../parts/copy.js";
import { count, counted } from "../figures.js";
import { Fields } from "./fields.js";
import { CopyAs } from "./handoff.js";
import { Hex } from "./hex.js";
import { PacketIcon } from "./icons.js";
import { fieldAt, indexed, wayTo } from "./tree.js";
import { ValueActions, valueOf } from "./value_actions.js";
import { both } from "./view.js";

/** Which kinds of fields are open, kept from packet to packet. */
const opened = new Set();

export function Sides({ job, detail, view, onView }) {
  const tree = useMemo(() => indexed(detail.tree), [detail]);
  const [selected, setSelected] = useState(null);
  const [buffer, setBuffer] = useState(0);
  const [, setVersion] = useState(0);
  useEffect(() => {
    setSelected(null);
    setBuffer(0);
    if (!opened.size && tree.length) opened.add(tree.at(-1).like);
    setVersion((version) => version + 1);
  }, [tree]);
  const node = selected ? (wayTo(tree, selected).at(-1) ?? null) : null;
  const select = (next) => {
    setSelected(next.key);
    if (next.length) setBuffer(next.buffer);
  };
  const open = (one, wanted) => {
    if (!one.children.length) return;
    opened[wanted ? "add" : "delete"](one.like);
    setVersion((version) => version + 1);
  };
  const fromByte = (at) => {
    const found = fieldAt(tree, buffer, at);
    if (!found) return;
    for (const above of wayTo(tree, found.key).slice(0, -1)) opened.add(above.like);
    setSelected(found.key);
  };
  const marked = node && node.length && node.buffer === buffer ? [node.start, node.start + node.length] : [0, 0];
  const shown = detail.bytes[buffer] ?? detail.bytes[0];
  return html`
    <div class="sides">
      ${
        tree.length > 0 &&
        html`<${Fields} tree=${tree} selected=${selected} opened=${opened} onSelect=${select}
          onOpen=${open} />`
      }
      <div class="side-bytes">
        ${
          detail.bytes.length > 1 &&
          html`<span class="ranges" role="group" aria-label="Bytes of">
            ${detail.bytes.map(
              (one, index) => html`<button type="button" class="segment" key=${index} aria-pressed=${index === buffer}
                onClick=${() => setBuffer(index)}>
                ${one.name} <span class="faint">${count(one.hex.length / 2)}</span></button>`,
            )}</span>`
        }
        ${shown && html`<${Hex} buffer=${shown} from=${marked[0]} to=${marked[1]} onByte=${fromByte} />`}
      </div>
    </div>
    <${Selected} node=${node} truncated=${detail.truncated} view=${view} onView=${onView}>
      ${
        shown &&
        html`<${CopyAs} job=${job} number=${detail.number} what=${marked[1] ? "the field" : "the packet"}
          hex=${marked[1] ? shown.hex.slice(2 * marked[0], 2 * marked[1]) : shown.hex} />`
      }
    <//>
  `;
}

/** What is selected, and the filters that it makes. */
function Selected({ node, truncated, view, onView, children }) {
  const value = node && valueOf(node);
  const place = node?.length ? `${counted(node.length, "byte")} from ${node.start}` : "";
  return html`
    <footer class="detail-foot">
      <span aria-live="polite" class="stranger">
        ${
          node
            ? html`<code>${node.name || "text only"}</code> <span class="faint">${place}</span>`
            : html`<span class="hint">Select a field or a byte to see where it belongs.</span>`
        }
      </span>
      ${truncated && html`<span class="hint">The tree goes on; it was cut.</span>`}
      ${value && html`<${ValueActions} ...${value} />`}
      <span class="grow"></span>
      ${children}
      ${
        node?.filter &&
        html`
          <button type="button" class="button is-small" title=${node.filter}
            onClick=${() => onView({ filter: node.filter })}>
            <${PacketIcon} name="filter" /><span>Filter by it</span></button>
          ${
            view.filter &&
            html`<button type="button" class="button is-small" title=${both(view.filter, node.filter)}
            onClick=${() => onView({ filter: both(view.filter, node.filter) })}>and by it</button>`
          }
          <${Copy} text=${node.filter} label="Copy the filter for this field">Copy filter<//>`
      }
    </footer>
  `;
}
