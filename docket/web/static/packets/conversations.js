/** Who spoke with whom, and how much each of them said. */

import { html, useState } from "../dom.js";
import { byRows } from "../parts/roving.js";
import { S, formatDuration, fromRfc } from "../time.js";
import { count, counted, size } from "../figures.js";
import { PacketButton } from "./icons.js";
import { Pick } from "./pick.js";
import { streamOf } from "./view.js";

const AT_FIRST = 50;

export const endName = ({ address, port }) =>
  port === null ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export function Conversations({ summary, view, onFilter, onView }) {
  const [all, setAll] = useState(false);
  const { conversations } = summary;
  const most = Math.max(1, ...conversations.map(({ a, b }) => Math.max(a.bytes, b.bytes)));
  const shown = all ? conversations : conversations.slice(0, AT_FIRST);
  const unlisted = summary.conversation_count - conversations.length;
  return html`
    <section class="panel finds" aria-labelledby="conversations-title">
      <header class="panel-head">
        <h2 id="conversations-title">Conversations<span class="count">${count(summary.conversation_count)}</span></h2>
      </header>
      <div class="finds-scroll" tabindex="0" role="group" onKeyDown=${byRows} aria-label="Conversations">
        <table class="finds-table conversations">
          <thead>
            <tr><th scope="col">Protocol</th><th scope="col">Initiator</th><th scope="col" class="number">sent</th>
              <th scope="col"><span class="visually-hidden">Shares</span></th><th scope="col">answered</th>
              <th scope="col">by</th><th scope="col" class="number">Packets</th>
              <th scope="col" class="number">Lasted</th>
              <th scope="col"><span class="visually-hidden">Actions</span></th></tr>
          </thead>
          <tbody>
            ${shown.map(
              (one) => html`<${Conversation} key=${one.filter + one.stream + one.first} one=${one} most=${most}
                view=${view} onFilter=${onFilter} onView=${onView} />`,
            )}
          </tbody>
        </table>
        ${
          shown.length < conversations.length &&
          html`<p class="finds-more"><button type="button" class="link" onClick=${() => setAll(true)}>
            Show ${counted(conversations.length - shown.length, "more conversation")}</button></p>`
        }
        ${all && unlisted > 0 && html`<p class="finds-more hint">${count(unlisted)} smaller ones are not listed.</p>`}
      </div>
    </section>
  `;
}

/** With a tenth of a second where that says something. */
const lengthOf = (us) => (us >= S && us < 10 * S ? `${(us / S).toFixed(1)} s` : formatDuration(us));

function Conversation({ one, most, view, onFilter, onView }) {
  const stream = streamOf(one.stream);
  const lasted = fromRfc(one.last) - fromRfc(one.first);
  const what = `${endName(one.a)} and ${endName(one.b)}`;
  return html`
    <tr>
      <td class="stranger">${one.protocol || one.transport}</td>
      <td class="ends"><${Pick} filter=${one.filter} view=${view} onFilter=${onFilter}
        aria-label=${`Show the packets between ${what}`}><span class="stranger">${endName(one.a)}</span><//></td>
      <td class="number" title=${counted(one.a.packets, "packet")}>${size(one.a.bytes)}</td>
      <td class="balance-cell">
        <span class="balance" aria-hidden="true">
          <span class="balance-a" style=${{ "--part": Math.sqrt(one.a.bytes / most) }}></span>
          <span class="balance-b" style=${{ "--part": Math.sqrt(one.b.bytes / most) }}></span>
        </span>
      </td>
      <td class="figure" title=${counted(one.b.packets, "packet")}>${size(one.b.bytes)}</td>
      <td class="ends stranger">${endName(one.b)}</td>
      <td class="number" data-label=${one.packets === 1 ? "packet" : "packets"}>${count(one.packets)}</td>
      <td class="number">${lengthOf(lasted)}</td>
      <td class="finds-actions">
        ${
          stream &&
          html`<${PacketButton} icon="follow" label=${`Follow the stream between ${what}`}
          onClick=${() => onView({ stream })} />`
        }
        <${PacketButton} icon="refine" label=${`Refine to the packets between ${what}`}
          onClick=${() => onView({ refine: { filter: one.filter, ends: [one.a, one.b] } })} />
      </td>
    </tr>
  `;
}
