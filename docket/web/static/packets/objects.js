/** Files that were transferred: taken out on request, one of them or all in a zip with the usual password. */

import { html, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { byRows } from "../parts/roving.js";
import { count, size } from "../figures.js";
import { archivePath, objectPath, packets } from "./api.js";
import { Note, reasonOf } from "./state.js";
import { ValueActions } from "./value_actions.js";
import { useUntilDone } from "./until_done.js";
import { revealPackets } from "./view.js";

export function Objects({ job, onView }) {
  const [open, setOpen] = useState(false);
  return html`
    <section class="panel finds objects" aria-labelledby="objects-title">
      <header class="panel-head">
        <h2 id="objects-title">
          <button type="button" class="disclose" aria-expanded=${open} onClick=${() => setOpen(!open)}>
            <${Icon} name="chevron" /> Files</button></h2>
        ${!open && html`<span class="hint">of HTTP, SMB, SMTP, FTP and TFTP, taken out when this is opened</span>`}
      </header>
      ${open && html`<${Found} job=${job} onView=${onView} />`}
    </section>
  `;
}

function Found({ job, onView }) {
  const { answer: list, error } = useUntilDone((signal) => packets.objects(job.id, signal), [job.id, job.pcap.sha256]);
  if (error) return html`<${Note} tone="bad">${reasonOf(error)}<//>`;
  if (!list || list.state === "working") return html`<p class="finds-none hint" role="status">Taking files out…</p>`;
  if (!list.objects.length) return html`<p class="finds-none hint">No file was found.</p>`;
  const show = (packet) => {
    onView({ packet });
    requestAnimationFrame(revealPackets);
  };
  return html`
    <p class="finds-none">
      ${count(list.objects.length)} with ${size(list.bytes)}${list.truncated && ", there are more or larger ones"}
      ${" "}<a class="button is-small" href=${archivePath(job.id)} download><${Icon} name="download" />
        <span>All as zip, password “infected”</span></a>
    </p>
    <div class="finds-scroll is-short" tabindex="0" role="group" onKeyDown=${byRows} aria-label="Files">
      <table class="finds-table">
        <thead><tr><th scope="col" class="number">Packet</th><th scope="col">Protocol</th><th scope="col">Host</th>
          <th scope="col">Name</th><th scope="col">Type</th><th scope="col" class="number">Size</th>
          <th scope="col">SHA-256</th><th scope="col"><span class="visually-hidden">Save</span></th></tr></thead>
        <tbody>
          ${list.objects.map(
            (one) => html`<tr key=${one.number}>
              <td class="number">${
                one.packet
                  ? html`<button type="button" class="pick" tabindex="-1" aria-label=${`Show packet ${one.packet}`}
                      onClick=${() => show(one.packet)}>${count(one.packet)}</button>`
                  : ""
              }</td>
              <td>${one.protocol.toUpperCase()}</td>
              <td class="stranger">${one.host}</td>
              <td class="stranger">${one.name}</td>
              <td class="stranger">${one.type}</td>
              <td class="number">${size(one.size)}</td>
              <td><code title=${one.sha256}>${one.sha256.slice(0, 16)}…</code><${ValueActions} kind="hash" value=${one.sha256} /></td>
              <td class="finds-actions"><a class="plain" tabindex="-1" href=${objectPath(job.id, one.number)} download
                title="Save in a zip with the password infected" aria-label=${`Save file ${one.number}`}>
                <${Icon} name="download" /></a></td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}
