/** Top talkers, names that were asked for, and the expert information of the dissector. */

import { html } from "../dom.js";
import { byRows } from "../parts/roving.js";
import { Badge } from "../parts/icons.js";
import { count, counted, size } from "../figures.js";
import { Pick, Share } from "./pick.js";
import { ValueActions } from "./value_actions.js";

/** The server lists so many of each kind. */
const MOST = 100;

/** `of` says how many there are, where not all are listed. */
function Finds({ id, title, count: number, of = 0, isCut = number >= MOST, children }) {
  return html`
    <section class="panel finds" aria-labelledby=${id}>
      <header class="panel-head">
        <h2 id=${id}>${title}<span class="count">${number > 0 && (of > number ? `${count(number)} of ${count(of)}` : count(number))}</span></h2>
      </header>
      ${
        number > 0
          ? html`<div class="finds-scroll is-short" tabindex="0" role="group" onKeyDown=${byRows} aria-label=${title}>${children}
            ${isCut && html`<p class="finds-more hint">Only the ${count(MOST)} most frequent of each kind are listed.</p>`}</div>`
          : html`<p class="finds-none hint">None.</p>`
      }
    </section>
  `;
}

export function Talkers({ summary, view, onFilter }) {
  const { talkers } = summary;
  const total = (talker) => talker.bytes_sent + talker.bytes_received;
  const most = Math.max(1, ...talkers.map(total));
  return html`
    <${Finds} id="talkers-title" title="Top talkers" count=${talkers.length} of=${summary.talker_count}>
      <table class="finds-table">
        <thead>
          <tr><th scope="col">Address</th><th scope="col"><span class="visually-hidden">Share</span></th>
            <th scope="col" class="number">Sent</th><th scope="col" class="number">Received</th></tr>
        </thead>
        <tbody>
          ${talkers.map(
            (talker) => html`
              <tr key=${talker.address}>
                <th scope="row"><${Pick} filter=${talker.filter} view=${view} onFilter=${onFilter}>
                  <span class="stranger">${talker.address || "(none)"}</span><//>
                  <${ValueActions} kind="address" value=${talker.address} /></th>
                <td><${Share} part=${total(talker) / most} /></td>
                <td class="number" title=${counted(talker.packets_sent, "packet")}>${size(talker.bytes_sent)}</td>
                <td class="number" title=${counted(talker.packets_received, "packet")}>
                  ${size(talker.bytes_received)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    <//>
  `;
}

const KINDS = [
  ["dns", "DNS names"],
  ["tls", "TLS server names"],
  ["http", "HTTP hosts"],
];

export function Names({ summary, view, onFilter }) {
  const number = KINDS.reduce((sum, [kind]) => sum + summary[kind].length, 0);
  return html`
    <${Finds} id="names-title" title="Names" count=${number}
      of=${Object.values(summary.name_counts ?? {}).reduce((sum, one) => sum + one, 0)}
      isCut=${KINDS.some(([kind]) => summary[kind].length >= MOST)}>
      ${KINDS.filter(([kind]) => summary[kind].length).map(
        ([kind, title]) => html`
          <table class="finds-table" key=${kind}>
            <thead><tr><th scope="col">${title}</th><th scope="col" class="number">Asked</th></tr></thead>
            <tbody>
              ${summary[kind].map(
                (one) => html`
                  <tr key=${one.name}>
                    <th scope="row"><${Pick} filter=${one.filter} view=${view} onFilter=${onFilter}>
                      <span class="stranger">${one.name}</span><//>
                      <${ValueActions} kind="name" value=${one.name} /></th>
                    <td class="number">${count(one.count)}</td>
                  </tr>
                `,
              )}
            </tbody>
          </table>
        `,
      )}
    <//>
  `;
}

const SEVERITIES = {
  error: { word: "Error", icon: "cross", tone: "bad" },
  warning: { word: "Warning", icon: "warn", tone: "warn" },
  note: { word: "Note", icon: "info", tone: "idle" },
};

export function Findings({ summary, view, onFilter }) {
  return html`
    <${Finds} id="findings-title" title="Expert information" count=${summary.findings.length}>
      <table class="finds-table">
        <thead><tr><th scope="col">What</th><th scope="col" class="number">Times</th></tr></thead>
        <tbody>
          ${summary.findings.map(
            (one) => html`
              <tr key=${one.severity + one.protocol + one.message}>
                <th scope="row"><span class="finding">
                  <${Badge} of=${SEVERITIES[one.severity] ?? SEVERITIES.note} />
                  <${Pick} filter=${one.filter} view=${view} onFilter=${onFilter}>
                    <span class="stranger">${one.message}</span><//>
                  <span class="faint">${one.protocol}</span>
                </span></th>
                <td class="number">${count(one.count)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    <//>
  `;
}
