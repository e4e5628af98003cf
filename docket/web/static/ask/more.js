/** What seldom needs a touch: limits, deadline, waiting, note. */

import { html, useId, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { faultsOf } from "./check.js";
import { changeDraft } from "./draft.js";

export function More({ draft, errors }) {
  const touched = draft.bytes || draft.packets || draft.deadline || draft.note || !draft.wait || draft.fresh;
  const [open, setOpen] = useState(Boolean(touched));
  const faulty = faultsOf(errors, "limits", "deadline_s", "note").length > 0;
  const id = useId();
  const isOpen = open || faulty;
  return html`
    <div class="more">
      <button type="button" class="disclose" aria-expanded=${isOpen} aria-controls=${id} onClick=${() => setOpen(!open)}>
        <${Icon} name="chevron" /> Limits, deadline, note
      </button>
      <div id=${id} class="more-fields" hidden=${!isOpen}>
        <${Entry} label="Byte limit" name="bytes" value=${draft.bytes} placeholder="2 GB" faults=${faultsOf(errors, "limits.bytes", "limits")} />
        <${Entry} label="Packet limit" name="packets" value=${draft.packets} placeholder="none" faults=${faultsOf(errors, "limits.packets")} />
        <${Entry} label="Deadline" name="deadline" value=${draft.deadline} placeholder="20m" faults=${faultsOf(errors, "deadline_s")} />
        <${Entry} label="Note" name="note" value=${draft.note} placeholder="ticket 4711" faults=${faultsOf(errors, "note")} wide />
        <label class="check"><input type="checkbox" checked=${draft.wait} onChange=${() => changeDraft({ wait: !draft.wait })} />
          Wait for packets that are not on disk yet</label>
        <label class="check"><input type="checkbox" checked=${draft.fresh} onChange=${() => changeDraft({ fresh: !draft.fresh })} />
          Ask anew, even if the same question was answered</label>
      </div>
    </div>
  `;
}

function Entry({ label, name, value, placeholder, faults, wide }) {
  const id = useId();
  return html`
    <div class=${"field" + (wide ? " wide" : "")}>
      <label for=${id}>${label}</label>
      <input id=${id} value=${value} placeholder=${placeholder} autocomplete="off" maxlength="2000" aria-invalid=${faults.length > 0}
        aria-describedby=${faults.length ? id + "-fault" : undefined} onInput=${(event) => changeDraft({ [name]: event.target.value })} />
      ${faults.map((fault) => html`<p class="fault" id=${id + "-fault"} key=${fault.message}><span>${fault.message}</span></p>`)}
    </div>
  `;
}
