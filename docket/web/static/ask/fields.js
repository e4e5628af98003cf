/** The common parts of a question as fields: hosts, nets, ports, protocol, VLAN, MPLS. */

import { html, useId, useMemo, useRef } from "../dom.js";
import { Chips } from "./chips.js";
import { emptyFields, readFields, writeFields } from "./query.js";
import { changeDraft } from "./draft.js";

const NAMED = ["tcp", "udp", "icmp", "icmp6"];

/** `faults` are the faults of the query text, each with its `position`. */
export function Fields({ text, faults }) {
  const fields = useMemo(() => readFields(text), [text]);
  const last = useRef(emptyFields());
  if (fields) last.current = fields;
  const shown = fields ?? last.current;
  const change = (kind) => (field) => changeDraft({ text: writeFields({ ...shown, [kind]: field }) });
  const faultAt = fields ? faults.map((fault) => fault.position) : [];
  const chips = (kind, label, placeholder, more) =>
    html`<${Chips} kind=${kind} label=${label} placeholder=${placeholder} field=${shown[kind]} faultAt=${faultAt}
      onChange=${change(kind)} ...${more} />`;

  return html`
    <fieldset class="fields" disabled=${!fields}>
      <legend class="visually-hidden">Packets to look for</legend>
      ${chips("host", "Hosts", "10.1.2.3, 2001:db8::1", { anyFrom: 3, sides: true })}
      ${chips("net", "Nets", "10.1.0.0/16", { anyFrom: 3, sides: true })}
      ${chips("port", "Ports", "443, 53, 1000-2000", { anyFrom: 3, sides: true })}
      <${Protocol} value=${shown.proto} onChange=${change("proto")} />
      ${chips("vlan", "VLAN", "100", { anyFrom: 2 })} ${chips("mpls", "MPLS", "label", { anyFrom: 2 })}
      ${!fields && html`<p class="hint fields-hint">The text says more than these fields can. Edit the text.</p>`}
    </fieldset>
  `;
}

function Protocol({ value, onChange }) {
  const id = useId();
  const isNumber = value !== "" && !NAMED.includes(value);
  return html`
    <div class="field protocol">
      <label for=${id}>Protocol</label>
      <div class="together">
        <select id=${id} value=${isNumber ? "number" : value}
          onChange=${(event) => onChange(event.target.value === "number" ? "47" : event.target.value)}>
          <option value="">Any</option>
          <option value="tcp">TCP</option>
          <option value="udp">UDP</option>
          <option value="icmp">ICMP</option>
          <option value="icmp6">ICMPv6</option>
          <option value="number">Number</option>
        </select>
        ${
          isNumber &&
          html`<input class="number" inputmode="numeric" aria-label="IP protocol number" value=${value}
          onChange=${(event) => onChange(event.target.value.trim() || "")} />`
        }
      </div>
    </div>
  `;
}
