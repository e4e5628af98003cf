/** DNS by registered domain, TLS connections and HTTP requests: counted on request, every value leads to its packets. */

import { html, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { byRows } from "../parts/roving.js";
import { count, counted } from "../figures.js";
import { fromRfc, formatDay } from "../time.js";
import { packets } from "./api.js";
import { Pick } from "./pick.js";
import { Note, reasonOf } from "./state.js";
import { ValueActions } from "./value_actions.js";
import { useUntilDone } from "./until_done.js";

export function Transactions({ job, view, onFilter }) {
  const [open, setOpen] = useState(false);
  return html`
    <section class="panel finds transactions" aria-labelledby="transactions-title">
      <header class="panel-head">
        <h2 id="transactions-title">
          <button type="button" class="disclose" aria-expanded=${open} onClick=${() => setOpen(!open)}>
            <${Icon} name="chevron" /> DNS, TLS and HTTP</button></h2>
        ${!open && html`<span class="hint">by domain, by fingerprint and by request, counted when this is opened</span>`}
      </header>
      ${open && html`<${Found} job=${job} view=${view} onFilter=${onFilter} />`}
    </section>
  `;
}

const KINDS = [
  { name: "dns", word: "DNS domains", of: "domain", Table: Dns },
  { name: "tls", word: "TLS connections", of: "connection", Table: Tls },
  { name: "http", word: "HTTP requests", of: "request", Table: Http },
];

function Found({ job, view, onFilter }) {
  const { answer, error } = useUntilDone((signal) => packets.transactions(job.id, signal), [job.id, job.pcap.sha256]);
  const [chosen, setChosen] = useState(null);
  const [text, setText] = useState("");
  if (error) return html`<${Note} tone="bad">${reasonOf(error)}<//>`;
  if (!answer?.found) return html`<p class="finds-none hint" role="status">Counting…</p>`;
  const { found } = answer;
  const kind = KINDS.find(({ name }) => name === chosen) ?? KINDS.find(({ name }) => found[name].length) ?? KINDS[0];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = found[kind.name].filter((row) => {
    const all = words.length ? JSON.stringify(row).toLowerCase() : "";
    return words.every((word) => all.includes(word));
  });
  const total = found[`${kind.name}_total`];
  return html`
    <div class="finds-none transactions-head">
      <span class="ranges" role="group" aria-label="What is listed">
        ${KINDS.map(
          (one) => html`<button type="button" class="segment" key=${one.name} aria-pressed=${one === kind}
            onClick=${() => setChosen(one.name)}>${one.word} ${count(found[`${one.name}_total`])}</button>`,
        )}
      </span>
      <span class="search"><${Icon} name="search" />
        <input type="search" aria-label="Search DNS, TLS and HTTP" placeholder="Name, fingerprint, code …" value=${text}
          onInput=${(event) => setText(event.target.value)} /></span>
      <span class="hint" aria-live="polite">${words.length > 0 && `${count(rows.length)} of ${count(found[kind.name].length)} rows`}</span>
    </div>
    ${found.truncated && html`<p class="finds-none hint">There were more than can be counted; the figures are of the first ones.</p>`}
    ${
      rows.length
        ? html`<div class="finds-scroll" tabindex="0" role="group" onKeyDown=${byRows} aria-label=${kind.word}>
            <${kind.Table} rows=${rows} view=${view} onFilter=${onFilter} />
            ${
              found[kind.name].length >= MOST &&
              html`<p class="finds-more hint">Only the first ${counted(MOST, "row")} of ${counted(total, kind.of)} are listed.</p>`
            }
          </div>`
        : html`<p class="finds-none hint">None.</p>`
    }
  `;
}

/** The server lists so many rows of each kind. */
const MOST = 500;

function Head({ words }) {
  return html`<thead><tr>${words.map(
    ([word, isNumber]) => html`<th scope="col" key=${word} class=${isNumber ? "number" : ""}>${word}</th>`,
  )}</tr></thead>`;
}

function Dns({ rows, ...pick }) {
  return html`
    <table class="finds-table">
      <${Head} words=${[["Domain"], ["Names", true], ["Longest", true], ["Asked", true], ["Answered", true], ["Response codes"]]} />
      <tbody>
        ${rows.map(
          (row) => html`<tr key=${row.domain}>
            <th scope="row"><${Pick} filter=${row.filter} ...${pick}><span class="stranger">${row.domain || "(root)"}</span><//>
              <${ValueActions} kind="name" value=${row.domain} /></th>
            <td class="number">${count(row.names)}</td>
            <td class="number">${count(row.longest)}</td>
            <td class="number">${count(row.asked)}</td>
            <td class="number">${count(row.answered)}</td>
            <td>${row.codes.map(
              (code) => html`<${Pick} key=${code.name} filter=${code.filter} ...${pick}>${code.name} ${count(code.count)}<//> `,
            )}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  `;
}

function Tls({ rows, ...pick }) {
  return html`
    <table class="finds-table">
      <${Head} words=${[["Server name"], ["Version"], ["JA3"], ["JA4"], ["Certificate"], ["Connections", true]]} />
      <tbody>
        ${rows.map(
          (row, at) => html`<tr key=${at}>
            <th scope="row"><${Pick} filter=${row.server_name_filter} ...${pick}>
              <span class="stranger">${row.server_name || "(none)"}</span><//>
              <${ValueActions} kind="name" value=${row.server_name} /></th>
            <td>${row.version}</td>
            <td><${Pick} filter=${row.ja3_filter} ...${pick}><code>${row.ja3}</code><//><${ValueActions} kind="hash" value=${row.ja3} /></td>
            <td><${Pick} filter=${row.ja4_filter} ...${pick}><code>${row.ja4}</code><//><${ValueActions} kind="hash" value=${row.ja4} /></td>
            <td><${Certificate} certificate=${row.certificate} version=${row.version} ...${pick} /></td>
            <td class="number"><${Pick} filter=${row.filter} ...${pick}>${count(row.count)}<//></td>
          </tr>`,
        )}
      </tbody>
    </table>
  `;
}

function Certificate({ certificate, version, ...pick }) {
  if (!certificate) return html`<span class="faint">${version === "1.3" ? "encrypted" : "not seen"}</span>`;
  const days = [certificate.not_before, certificate.not_after].map((at) => (at ? formatDay(fromRfc(at), "utc") : "?"));
  const title = `Issuer: ${certificate.issuer}\nSHA-256: ${certificate.sha256}`;
  return html`
    <${Pick} filter=${certificate.filter} ...${pick}><span class="stranger">${certificate.subject || "(no subject)"}</span><//>
    <span class="faint stranger" title=${title}> ${certificate.issuer === certificate.subject ? "self-signed" : `by ${certificate.issuer}`}, ${days.join(" to ")}</span>
  `;
}

function Http({ rows, ...pick }) {
  return html`
    <table class="finds-table">
      <${Head} words=${[["Method"], ["Host"], ["Address"], ["Status"], ["Requests", true]]} />
      <tbody>
        ${rows.map(
          (row, at) => html`<tr key=${at}>
            <td class="stranger">${row.method}</td>
            <td class="stranger">${row.host}</td>
            <th scope="row"><${Pick} filter=${row.filter} ...${pick}><span class="stranger">${row.uri}</span><//></th>
            <td>${row.status === null ? html`<span class="faint">no answer</span>` : html`<${Pick} filter=${row.status_filter} ...${pick}>${row.status}<//>`}</td>
            <td class="number">${count(row.count)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  `;
}
