/** The protocols in a result, one inside the other, as tshark counts them, by the names that people use. */

import { html } from "../dom.js";
import { byRows } from "../parts/roving.js";
import { count, size } from "../figures.js";
import { Pick, Share } from "./pick.js";
import { plainHierarchy, protocolName } from "./protocol_names.js";

const flat = (protocols, depth = 0, path = "") =>
  protocols.flatMap((protocol) => {
    const key = `${path}/${protocol.name}`;
    return [{ ...protocol, depth, key }, ...flat(protocol.children, depth + 1, key)];
  });

/** The name that filters use, where it is another. */
const inFilters = (name) =>
  protocolName(name).toLowerCase() !== name && html`${" "}<span class="faint">${name}</span>`;

export function Protocols({ summary, view, onFilter }) {
  const rows = flat(plainHierarchy(summary.protocols));
  return html`
    <section class="panel finds" aria-labelledby="protocols-title">
      <header class="panel-head"><h2 id="protocols-title">Protocols</h2></header>
      <div class="finds-scroll" tabindex="0" role="group" onKeyDown=${byRows} aria-label="Protocols">
        <table class="finds-table">
          <thead>
            <tr><th scope="col">Protocol</th><th scope="col" class="number">Packets</th>
              <th scope="col"><span class="visually-hidden">Share</span></th>
              <th scope="col" class="number">Bytes</th></tr>
          </thead>
          <tbody>
            ${rows.map(
              (row) => html`
                <tr key=${row.key}>
                  <th scope="row" style=${{ "--depth": row.depth }} class="nested">
                    <${Pick} filter=${row.filter} view=${view} onFilter=${onFilter}>${protocolName(row.name)}${inFilters(row.name)}<//>
                  </th>
                  <td class="number">${count(row.packets)}</td>
                  <td><${Share} part=${row.packets / Math.max(1, summary.packets)} /></td>
                  <td class="number">${size(row.bytes)}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}
