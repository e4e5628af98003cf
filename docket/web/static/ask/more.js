/** What seldom needs a touch: limits, deadline, waiting, note. */

import { html, useId, useState } from "../dom.js";
import { Fault } from "../parts/button.js";
import { Icon } from "../parts/icons.js";
import { faultsOf } from "./check.js";
import { changeDraft } from "./draft.js";

export function More({ draft, errors }) {
  const touched = draft.bytes || draft.packets || draft.deadline || draft.note || !draft.wait || draft.fresh;
  const [open, setOpen] = useState(Boolean(touched));
  const faulty = faultsOf(errors, "limits", "deadline_s", "note").length > 0;
  const id = useId();
  const isOpen = open || faulty;
  const entry = (name, label, placeholder, fields, wide = false) => html`
    <${Entry} label=${label} name=${name} value=${draft[name]} placeholder=${placeholder} wide=${wide}
      faults=${faultsOf(errors, ...fields)} />
  `;
  const check = (name, text) => html`
    <label class="check">
      <input type="checkbox" checked=${draft[name]} onChange=${() => changeDraft({ [name]: !draft[name] })} /> ${text}
    </label>
  `;
  return html`
    <div class="more">
      <button type="button" class="disclose" aria-expanded=${isOpen} aria-controls=${id}
        onClick=${() => setOpen(!open)}>
        <${Icon} name="chevron" /> Limits, deadline, note
      </button>
      <div id=${id} class="more-fields" hidden=${!isOpen}>
        ${entry("bytes", "Byte limit", "2 GB", ["limits.bytes"])}
        ${entry("packets", "Packet limit", "none", ["limits.packets"])}
        ${entry("deadline", "Deadline", "20m", ["deadline_s"])}
        ${entry("note", "Note", "ticket 4711", ["note"], true)}
        ${check("wait", "Wait for packets that are not on disk yet")}
        ${check("fresh", "Ask again, even if the same question was answered")}
      </div>
    </div>
  `;
}

function Entry({ label, name, value, placeholder, faults, wide }) {
  const id = useId();
  return html`
    <div class=${"field" + (wide ? " wide" : "")}>
      <label for=${id}>${label}</label>
      <input id=${id} value=${value} placeholder=${placeholder} autocomplete="off" maxlength="2000"
        aria-invalid=${faults.length > 0} aria-describedby=${faults.length ? id + "-fault" : undefined}
        onInput=${(event) => changeDraft({ [name]: event.target.value })} />
      ${faults.map((fault) => html`<${Fault} id=${id + "-fault"} key=${fault.message} fault=${fault} />`)}
    </div>
  `;
}
