/** All conversations, and how much each end sent: sorted, searched, joined by address, as CSV. */

import { html, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { byRows } from "../parts/roving.js";
import { S, formatDuration, fromRfc } from "../time.js";
import { count, counted, size } from "../figures.js";
import { conversationsCsvPath } from "./api.js";
import { PAGE, useConversations } from "./conversation_pages.js";
import { PacketButton } from "./icons.js";
import { Pick } from "./pick.js";
import { streamOf } from "./view.js";

export const endName = ({ address, port }) =>
  port === null ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

const HEADS = [
  ["Protocol", "protocol"],
  ["Initiator", "a"],
  ["sent", "sent", true],
  [null, null],
  ["answered", "answered"],
  ["by", "b"],
  ["Packets", "packets", true],
  ["Lasted", "duration", true],
];

export function Conversations({ job, summary, view, onFilter, onView }) {
  const [wanted, setWanted] = useState({ text: "", sort: "-bytes", by: "conversation" });
  const { rows, total, error, more } = useConversations(job, summary, wanted);
  const set = (news) => setWanted((before) => ({ ...before, ...news }));
  const most = rows.reduce((high, { conversation: { a, b } }) => Math.max(high, a.bytes, b.bytes), 1);
  return html`
    <section class="panel finds" aria-labelledby="conversations-title">
      <header class="panel-head">
        <h2 id="conversations-title">Conversations<span class="count">${count(total)}</span></h2>
        <span class="search"><${Icon} name="search" />
          <input type="search" aria-label="Search conversations" placeholder="Address, port …"
            value=${wanted.text} onInput=${(event) => set({ text: event.target.value })} /></span>
        <span class="grow"></span>
        <button type="button" class="segment" aria-pressed=${wanted.by === "pair"}
          onClick=${() => set({ by: wanted.by === "pair" ? "conversation" : "pair" })}>By address pair</button>
        <a class="button is-small" href=${conversationsCsvPath(job.id, wanted)} download>CSV</a>
      </header>
      ${error && html`<p class="finds-none hint">The whole list cannot be had now: ${error.message}</p>`}
      <div class="finds-scroll" tabindex="0" role="group" onKeyDown=${byRows} aria-label="Conversations">
        <table class="finds-table conversations">
          <thead><tr>
            ${HEADS.map(([word, sort, number]) =>
              word
                ? html`<${Head} key=${sort} word=${word} name=${sort} number=${number} sort=${wanted.sort}
                    onSort=${(next) => set({ sort: next })} />`
                : html`<th scope="col" key="shares"><span class="visually-hidden">Shares</span></th>`,
            )}
            <th scope="col"><span class="visually-hidden">Actions</span></th>
          </tr></thead>
          <tbody>
            ${rows.map(
              ({ conversation: one, community_id: id }) => html`<${Conversation} one=${one} id=${id} most=${most}
                key=${one.filter + one.stream + one.first} view=${view} onFilter=${onFilter} onView=${onView} />`,
            )}
          </tbody>
        </table>
        ${
          more &&
          html`<p class="finds-more"><button type="button" class="link" onClick=${more}>
            Show ${count(Math.min(PAGE, total - rows.length))} of ${counted(total - rows.length, "more conversation")}</button></p>`
        }
        ${!rows.length && html`<p class="finds-more hint">No conversation has this.</p>`}
      </div>
    </section>
  `;
}

/** From high to low first, for figures; then the other way. */
function Head({ word, name, number, sort, onSort }) {
  const direction = sort === name ? "ascending" : sort === `-${name}` ? "descending" : undefined;
  const first = number || name === "answered" ? `-${name}` : name;
  const next = sort === first ? (first.startsWith("-") ? name : `-${name}`) : first;
  return html`
    <th scope="col" class=${number ? "number" : ""} aria-sort=${direction}>
      <button type="button" class=${`sort is-${direction ?? "not"}`} tabindex="-1" onClick=${() => onSort(next)}>
        ${word}<${Icon} name="chevron" /></button></th>
  `;
}

/** With a tenth of a second where that says something. */
const lengthOf = (us) => (us >= S && us < 10 * S ? `${(us / S).toFixed(1)} s` : formatDuration(us));

function Conversation({ one, id, most, view, onFilter, onView }) {
  const stream = streamOf(one.stream);
  const lasted = fromRfc(one.last) - fromRfc(one.first);
  const what = `${endName(one.a)} and ${endName(one.b)}`;
  return html`
    <tr title=${id ? `Community id ${id}` : undefined}>
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
