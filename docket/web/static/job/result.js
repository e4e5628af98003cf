/** The file of a job: its name, size and checksum, and how to get it by other means than the browser. */

import { html } from "../dom.js";
import { address } from "../base.js";
import { Copied, Copy } from "../parts/copy.js";
import { Icon } from "../parts/icons.js";
import { manifestPath, pcapPath } from "../jobs/actions.js";
import { pcapngPath } from "../packets/api.js";
import { counted, size } from "../figures.js";
import { isFinal } from "../words.js";

/** A text as one word of a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Feeds Wireshark while the file grows, without a copy on disk. */
const wiresharkOf = (job) => `curl -fsN ${quoted(address(`api/v1/jobs/${job.id}/pcap?follow=1`))} | wireshark -k -i -`;

const curlOf = (job) => `curl -f -o ${quoted(job.pcap.name)} ${quoted(address(`api/v1/jobs/${job.id}/pcap`))}`;

function docketGetOf(job) {
  const sources = job.sources.map((source) => ` --source ${quoted(source.name)}`).join("");
  const file = job.pcap?.name ?? `docket-${job.id.slice(0, 8)}.pcap`;
  return `docket get ${quoted(job.query)} --after ${job.after} --before ${job.before}${sources} -w ${quoted(file)}`;
}

export function Result({ job }) {
  return html`
    <section class="panel" aria-labelledby="result-title">
      <header class="panel-head"><h2 id="result-title">File</h2></header>
      ${job.pcap ? html`<${File} job=${job} />` : html`<p class="hint">${absence(job)}</p>`}
      <div class="copies">
        ${job.pcap && html`<${Copy} text=${curlOf(job)} label="Copy a curl command for this file">curl<//>`}
        ${job.pcap && html`<${Copy} text=${wiresharkOf(job)} label="Copy a command that opens this file in Wireshark">wireshark<//>`}
        ${
          !job.parent &&
          html`<${Copy} text=${docketGetOf(job)} label="Copy a docket get command that asks the same">docket get<//>`
        }
      </div>
    </section>
  `;
}

function File({ job }) {
  const { pcap } = job;
  return html`
    <a class="file" href=${pcapPath(job)} download><${Icon} name="download" /><span>${pcap.name}</span></a>
    ${
      pcap.format === "pcapng"
        ? html`<p class="hint">pcapng, since its packets are of several link types; each names the source that recorded it</p>`
        : html`<p>or <a href=${pcapngPath(job.id)} download>the same as pcapng</a>${
            job.sources.length > 1 && ", which names the source of every packet"
          }</p>`
    }
    <p>with <a href=${manifestPath(job)} download>its manifest</a>, which <code>docket verify</code> reads</p>
    <dl class="facts">
      <dt>Size</dt><dd><span class="figure">${size(pcap.size)}</span>, ${counted(job.packets, "packet")}</dd>
      <dt>SHA-256</dt><${Copied} text=${pcap.sha256} label="Copy the SHA-256" />
      ${job.revision > 1 && html`<dt>Revision</dt><dd class="figure">${job.revision}</dd>`}
    </dl>
  `;
}

function absence(job) {
  const why = job.reason ? `: ${job.reason}` : "";
  if (job.state === "expired") {
    return `The file has been removed${why}. Ask again to read it once more, as far as the sources still have it.`;
  }
  if (isFinal(job.state)) return "There is no file: no packet arrived.";
  return job.packets > 0
    ? "The file grows as packets arrive; it can be downloaded already."
    : "The file begins with the first packet.";
}
