/** Makes a smaller job out of this one's result, without asking a sensor. */

import { html, useId, useState } from "../dom.js";
import { Fault } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { say } from "../parts/toast.js";
import { navigate } from "../route.js";
import { useZone } from "../settings.js";
import { store } from "../store.js";
import { formatTime, fromRfc, readTime, zoneName } from "../time.js";
import { packets } from "./api.js";
import { endName } from "./conversations.js";
import { readOrder } from "./order.js";
import { OriginChoice, originsOf } from "./origins.js";

/** `from` says what is refined to: `{ filter, brush, ends }`, each of which may be missing. */
export function RefineDialog({ job, summary, from, onClose }) {
  const zone = useZone();
  const [values, setValues] = useState(() => ({
    filter: from.filter ?? "",
    bpf: "",
    after: formatTime(from.brush?.from ?? fromRfc(job.after), zone),
    before: formatTime(from.brush?.to ?? fromRfc(job.before), zone),
    sender: "",
    source: from.source ?? "",
    duplicates: false,
    drop_duplicates_ms: "10",
    taps: from.duplicates ?? false,
    drop_tap_duplicates_ms: "50",
    shorten: false,
    snaplen: "128",
    note: "",
  }));
  const [faults, setFaults] = useState([]);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => {
    const { type, checked, value } = event.target;
    setValues((before) => ({ ...before, [name]: type === "checkbox" ? checked : value }));
    setFaults((before) => before.filter((fault) => fault.field !== name));
  };
  const send = async (event) => {
    event.preventDefault();
    const { order, faults: found } = readOrder(values, (text) => readTime(text, zone, store.now() * 1000));
    setFaults(found);
    if (found.length) return;
    setBusy(true);
    try {
      const { job: child, isNew } = await packets.refine(job.id, order);
      store.putJob(child);
      onClose();
      navigate("jobs/" + child.id);
      say(isNew ? "The smaller job is being made." : "This part exists already; here it is.");
    } catch (error) {
      setBusy(false);
      setFaults(error.errors ?? [{ code: "failed", message: error.message }]);
    }
  };
  const of = (name) => ({
    name,
    value: values[name],
    onInput: set(name),
    faults: faults.filter((fault) => fault.field === name),
  });
  const elsewhere = faults.filter((fault) => !(fault.field in values));
  return html`
    <${Dialog} title="Refine" onClose=${onClose} wide>
      <form class="refine" onSubmit=${send} noValidate>
        <p class="hint">Makes a job of its own from the packets that are here already, with its own link and file.
          What is given must all hold; no sensor is asked.</p>
        <${Text} label="Display filter" ...${of("filter")} hint="as in Wireshark" code />
        <${Text} label="Packet filter" ...${of("bpf")} hint="as in tcpdump" code />
        <div class="refine-pair">
          <${Text} label=${`From (${zoneName(fromRfc(job.after), zone)})`} ...${of("after")} />
          <${Text} label="To, not included" ...${of("before")} />
        </div>
        <${Sender} ends=${from.ends} ...${of("sender")} />
        <${OriginChoice} names=${originsOf(summary)} chosen=${values.source}
          onChoose=${(source) => setValues((before) => ({ ...before, source }))} />
        ${
          originsOf(summary).length > 0 &&
          html`<${Switched} label="Drop what a second source recorded within" unit="ms" on=${values.taps}
            onSwitch=${set("taps")} ...${of("drop_tap_duplicates_ms")} />`
        }
        <${Switched} label="Drop duplicates within" unit="ms" on=${values.duplicates} onSwitch=${set("duplicates")}
          ...${of("drop_duplicates_ms")} />
        <${Switched} label="Shorten packets to" unit="bytes" on=${values.shorten} onSwitch=${set("shorten")}
          ...${of("snaplen")} />
        <${Text} label="Note" ...${of("note")} />
        ${elsewhere.map((fault) => html`<${Fault} key=${fault.message} fault=${fault} role="alert" />`)}
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${onClose}>Leave</button>
          <button type="submit" class="button is-primary" disabled=${busy}>Create job</button>
        </div>
      </form>
    <//>
  `;
}

function Text({ label, name, value, onInput, faults, hint, code }) {
  const id = useId();
  return html`
    <div class="field">
      <label for=${id}>${label}${hint && html` <span class="faint">${hint}</span>`}</label>
      <input id=${id} name=${name} value=${value} onInput=${onInput} class=${code ? "is-code" : ""} spellcheck=${false}
        autocomplete="off" aria-invalid=${faults.length > 0}
        aria-describedby=${faults.length ? id + "-says" : undefined} />
      <${Says} id=${id + "-says"} faults=${faults} />
    </div>
  `;
}

const Says = ({ id, faults }) =>
  faults.length > 0 &&
  html`<div id=${id} role="alert">
    ${faults.map((fault) => html`<${Fault} key=${fault.message} fault=${placed(fault)} />`)}</div>`;

const placed = (fault) =>
  fault.position == null ? fault : { ...fault, message: `${fault.message} (at character ${fault.position + 1})` };

/** One direction: chosen where the two ends are known, else written. */
function Sender({ ends, name, value, onInput, faults }) {
  const id = useId();
  if (!ends) {
    const hint = "10.1.2.3 or 10.1.2.3:443; empty: both directions";
    return html`<${Text} label="Only what this end sent" hint=${hint} name=${name} value=${value} onInput=${onInput}
      faults=${faults} code />`;
  }
  return html`
    <div class="field">
      <label for=${id}>Direction</label>
      <select id=${id} name=${name} value=${value} onChange=${onInput}>
        <option value="">both directions</option>
        ${ends.map(endName).map((end) => html`<option key=${end} value=${end}>only what ${end} sent</option>`)}
      </select>
      <${Says} id=${id + "-says"} faults=${faults} />
    </div>
  `;
}

function Switched({ label, unit, on, onSwitch, name, value, onInput, faults }) {
  const id = useId();
  return html`
    <div class="field">
      <span class="together refine-switch">
        <label class="check"><input type="checkbox" checked=${on} onChange=${onSwitch} />${label}</label>
        <input id=${id} name=${name} value=${value} onInput=${onInput} inputmode="numeric" disabled=${!on}
          aria-label=${`${label}, ${unit}`} aria-invalid=${faults.length > 0}
          aria-describedby=${faults.length ? id + "-says" : undefined} />
        <span>${unit}</span>
      </span>
      <${Says} id=${id + "-says"} faults=${faults} />
    </div>
  `;
}
