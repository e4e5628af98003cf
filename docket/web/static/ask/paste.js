/** Filling the form from a pasted record: by pasting anywhere, or through a dialog that shows what it reads. */

import { html, useEffect, useId, useState } from "../dom.js";
import { readPasted } from "../paste.js";
import { formatWindow } from "../time.js";
import { settings, useZone } from "../settings.js";
import { store } from "../store.js";
import { Dialog } from "../parts/dialog.js";
import { say } from "../parts/toast.js";
import { changeDraft, currentDraft } from "./draft.js";

/** What may as well be a part of a longer text; these are taken only where nothing has been typed yet. */
const MAY_BE_A_PART = /^(address|list of|query)/;

const read = (text) => readPasted(text, { nowUs: Math.round(store.now() * 1000), zone: settings().zone });

function describe(found, zone) {
  if (!found.when) return "the window stays as it is";
  return found.when.last ? `the last ${found.when.last}` : formatWindow(found.when.after, found.when.before, zone);
}

function fill(found) {
  const before = currentDraft();
  changeDraft({ text: found.text, ...(found.when && { when: found.when }) });
  say(`Filled in from a ${found.kind}: ${describe(found, settings().zone)}.`, {
    action: { word: "Undo", run: () => changeDraft({ text: before.text, when: before.when }) },
  });
}

function takePaste(event) {
  const { target } = event;
  const found = read(event.clipboardData?.getData("text/plain") ?? "");
  if (!found || target.closest?.("dialog, [type=search]")) return;
  const isText = target.matches?.("input, textarea");
  const isEmptyQuery = target.matches?.(".query textarea") && !target.value.trim();
  if (isText && !isEmptyQuery && MAY_BE_A_PART.test(found.kind)) return;
  if (found.kind === "query" && !found.when && isText) return;
  event.preventDefault();
  event.stopPropagation();
  fill(found);
}

/** Fill the form from what is pasted anywhere on the page, as long as the form is shown. */
export function usePasting() {
  useEffect(() => {
    document.addEventListener("paste", takePaste, true);
    return () => document.removeEventListener("paste", takePaste, true);
  }, []);
}

const NOTHING_KNOWN = "Nothing known in this text.";

export function PasteDialog({ onClose }) {
  const [text, setText] = useState("");
  const zone = useZone();
  const id = useId();
  const found = read(text);
  const use = () => {
    fill(found);
    onClose();
  };
  return html`
    <${Dialog} title="Ask from a record" onClose=${onClose} wide>
      <label for=${id}>
        A Zeek, Suricata or Snort record, two addresses with an arrow, a link of the original Docket, or a query for
        stenographer
      </label>
      <textarea id=${id} class="paste-area" rows="5" value=${text} spellcheck=${false}
        onInput=${(event) => setText(event.target.value)}></textarea>
      <div class="paste-found" aria-live="polite">
        ${
          found
            ? html`<p><strong>${found.kind}</strong>: ${describe(found, zone)}</p>
                <code>${found.text || "every packet"}</code>`
            : html`<p class="hint">${text.trim() ? NOTHING_KNOWN : "You can also paste anywhere on this page."}</p>`
        }
      </div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick=${onClose}>Close</button>
        <button type="button" class="button is-primary" disabled=${!found} onClick=${use}>Fill in</button>
      </div>
    <//>
  `;
}
