/** How the packets of this result are dissected, for everybody: decode as, and keys that decrypt TLS. */

import { html, useEffect, useId, useState } from "../dom.js";
import { Faults } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { say } from "../parts/toast.js";
import { counted } from "../figures.js";
import { packets } from "./api.js";

export function DissectionDialog({ job, onClose, onDissected }) {
  const id = useId();
  const [settings, setSettings] = useState(null);
  const [rules, setRules] = useState("");
  const [keys, setKeys] = useState("");
  const [drops, setDrops] = useState(false);
  const [faults, setFaults] = useState([]);
  useEffect(() => {
    const stop = new AbortController();
    packets.dissection(job.id, stop.signal).then(
      (known) => {
        setSettings(known);
        setRules(known.decode_as.join("\n"));
      },
      (error) => stop.signal.aborted || setFaults(error.errors ?? [error]),
    );
    return () => stop.abort();
  }, [job.id]);
  const readFile = async (event) => {
    const [file] = event.target.files;
    if (file) setKeys(await file.text());
  };
  const save = async (event) => {
    event.preventDefault();
    const decode = rules.split("\n").map((rule) => rule.trim()).filter(Boolean);
    const log = drops ? "" : keys.trim() ? keys : undefined;
    try {
      await packets.dissect(job.id, { decode_as: decode, key_log: log });
      say("The packets are dissected in this way now.");
      onDissected();
    } catch (error) {
      setFaults(error.errors ?? [error]);
    }
  };
  return html`
    <${Dialog} title="Dissection" onClose=${onClose} wide>
      <form class="dissect-form own-paste" onSubmit=${save}>
        <p class="hint">For everybody who looks at this job. The file itself does not change.</p>
        <label for=${id + "-rules"}>Decode as, one rule per line, such as <code>tcp.port==8443,tls</code></label>
        <textarea id=${id + "-rules"} rows="3" spellcheck=${false} value=${rules}
          readonly=${!settings} placeholder=${settings ? "" : "Loading the present rules …"}
          onInput=${(event) => setRules(event.target.value)}></textarea>
        <label for=${id + "-keys"}>TLS key log, as <code>SSLKEYLOGFILE</code> writes it</label>
        <textarea id=${id + "-keys"} rows="4" spellcheck=${false} autocomplete="off" value=${keys}
          placeholder="CLIENT_RANDOM …" onInput=${(event) => setKeys(event.target.value)}></textarea>
        <input type="file" aria-label="File with a TLS key log" onChange=${readFile} />
        ${
          settings?.keys > 0 &&
          html`<label class="check"><input type="checkbox" checked=${drops} onChange=${() => setDrops(!drops)} />
            Take the ${counted(settings.keys, "key")} away that are kept now</label>`
        }
        <p class="hint">Keys stay on the server until the job is removed, and are not given out.</p>
        <${Faults} faults=${faults} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${onClose}>Close</button>
          <button type="submit" class="button is-primary" disabled=${!settings}>Dissect</button>
        </div>
      </form>
    <//>
  `;
}
