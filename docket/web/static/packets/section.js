/** What is in the file of a finished job. The page of one job shows it; its parts are loaded with it, and only then. */

import { html, useEffect, useRef, useState } from "../dom.js";
import { path } from "../base.js";
import { isFinal } from "../words.js";
import { Conversations } from "./conversations.js";
import { Family } from "./family.js";
import { Findings, Names, Talkers } from "./lists.js";
import { Objects } from "./objects.js";
import { Packets } from "./packets.js";
import { Plot } from "./plot.js";
import { Protocols } from "./protocols.js";
import { RefineDialog } from "./refine.js";
import { SummaryState } from "./state.js";
import { StreamDialog } from "./stream.js";
import { useSummary } from "./summary.js";
import { Transactions } from "./transactions.js";
import { revealPackets, revealPacketsAtFirst, useView } from "./view.js";

export function Contents({ job }) {
  const styled = useStyle();
  const [turn, setTurn] = useState(0);
  if (!styled) return null;
  const shown = job.pcap && isFinal(job.state) && job.packets > 0;
  return html`
    <${Family} job=${job} />
    ${shown && html`<${Content} key=${job.id + job.pcap.sha256 + turn} job=${job} onDissected=${() => setTurn(turn + 1)} />`}
  `;
}

function Content({ job, onDissected }) {
  const { summary, error, again } = useSummary(job);
  const [view, change] = useView();
  const onFilter = (filter) => {
    change({ filter, packet: null });
    revealPackets();
  };
  const isShown = Boolean(summary || error);
  const shared = useRef(Boolean(view.packet || view.filter));
  useEffect(() => {
    if (isShown && shared.current) revealPacketsAtFirst();
    if (isShown) shared.current = false;
  }, [isShown]);
  const common = { job, summary, view, onFilter, onView: change };
  const counted = summary && summary.state !== "working" && summary.covers.packets > 0;
  return html`
    <${SummaryState} summary=${summary} error=${error} onAgain=${again} />
    ${summary?.timeline && html`<${Plot} ...${common} />`}
    ${
      counted &&
      html`
        <div class="finds-wide"><${Protocols} ...${common} /><${Conversations} ...${common} /></div>
        <div class="finds-three"><${Talkers} ...${common} /><${Names} ...${common} /><${Findings} ...${common} /></div>
        <${Transactions} job=${job} view=${view} onFilter=${onFilter} />
        <${Objects} job=${job} onView=${change} />`
    }
    ${isShown && html`<${Packets} ...${common} onDissected=${onDissected} />`}
    ${view.stream && html`<${StreamDialog} job=${job} view=${view} onView=${change} />`}
    ${view.refine && html`<${RefineDialog} job=${job} summary=${summary} from=${view.refine} onClose=${() => change({ refine: null })} />`}
  `;
}

let style = null;

/** The stylesheet of this part, brought in when it is first needed; true once it is there. */
function useStyle() {
  const [ready, setReady] = useState(style?.sheet != null);
  useEffect(() => {
    if (!style) {
      style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = path("static/packets/packets.css");
      document.head.append(style);
    }
    const done = () => setReady(true);
    if (style.sheet) done();
    style.addEventListener("load", done);
    style.addEventListener("error", done);
    return () => {
      style.removeEventListener("load", done);
      style.removeEventListener("error", done);
    };
  }, []);
  return ready;
}
