/** What a pasted text becomes: the form filled in, or a dialog that shows what is read. Loaded with the first paste. */

import { html, useId, useMemo, useState } from "../dom.js";
import { anyOf, readAll } from "../paste.js";
import { formatWindow, zoneName } from "../time.js";
import { settings, useZone } from "../settings.js";
import { store } from "../store.js";
import { count, counted } from "../figures.js";
import { Dialog } from "../parts/dialog.js";
import { say } from "../parts/toast.js";
import { changeDraft, currentDraft } from "./draft.js";

/** What may as well be a part of a longer text; these are taken only where nothing has been typed yet. */
const MAY_BE_A_PART = /^(address|list of|query)/;
const MOST_LISTED = 50;

const contextNow = () => ({ nowUs: Math.round(store.now() * 1000), zone: settings().zone });

function describe(found, zone) {
  if (!found.when) return "the window stays as it is";
  if (found.when.last) return `the last ${found.when.last}`;
  return `${formatWindow(found.when.after, found.when.before, zone)} ${zoneName(found.when.after, zone)}`;
}

const missedText = (found) => {
  const missed = (found.missed ?? []).filter((text) => !text.startsWith("no time"));
  return missed.length ? ` Not used: ${missed.join("; ")}.` : "";
};

function fill(found) {
  const before = currentDraft();
  changeDraft({ text: found.text, ...(found.when && { when: found.when }) });
  say(`Filled in from a ${found.kind}: ${describe(found, settings().zone)}.${missedText(found)}`, {
    action: { word: "Undo", run: () => changeDraft({ text: before.text, when: before.when }) },
  });
}

/**
 * What to do with a text: a function that fills in or says why not, or null to leave it to the field that it goes
 * to. `onSeveral` is given a text with several records.
 */
export function planOf(text, { isText, isQuery, isEmpty }, onSeveral) {
  const { records, note } = readAll(text, contextNow());
  const [found] = records;
  if (isText && !(isQuery && isEmpty) && (!found || MAY_BE_A_PART.test(found.kind))) return null;
  if (found?.kind === "query" && !found.when && isText) return null;
  if (!found && isText) {
    say(note, { tone: "warn" });
    return null;
  }
  if (!found) return () => say(`Nothing was filled in. ${note}`, { tone: "warn" });
  return records.length > 1 ? () => onSeveral(text) : () => fill(found);
}

export function PasteDialog({ text: first, onClose }) {
  const [text, setText] = useState(first);
  const [chosen, setChosen] = useState(0);
  const zone = useZone();
  const id = useId();
  const { records, note } = useMemo(() => readAll(text, contextNow()), [text, zone]);
  const found = chosen === "all" ? anyOf(records) : records[chosen];
  const use = () => {
    fill(found);
    onClose();
  };
  const write = (event) => {
    setText(event.target.value);
    setChosen(0);
  };
  const hint = "You can also paste anywhere on this page.";
  return html`
    <${Dialog} title="Ask from a record" onClose=${onClose} wide>
      <label for=${id}>
        Any text with addresses in it: records and alerts, firewall and flow logs, lines of tcpdump, netstat or Wireshark,
        filters, links, lists. What is in it is read in this browser and goes nowhere else.
      </label>
      <textarea id=${id} class="paste-area" rows="5" value=${text} spellcheck=${false} onInput=${write}></textarea>
      ${records.length > 1 && html`<${Records} records=${records} zone=${zone} chosen=${chosen} onChoose=${setChosen} />`}
      <div class="paste-found" aria-live="polite">
        ${found ? html`<${Found} found=${found} zone=${zone} />` : html`<p class="hint">${note || hint}</p>`}
      </div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick=${onClose}>Close</button>
        <button type="button" class="button is-primary" disabled=${!found} onClick=${use}>Fill in</button>
      </div>
    <//>
  `;
}

function Found({ found, zone }) {
  const missed = found.missed ?? [];
  return html`
    <p><strong>${found.kind}</strong>: ${describe(found, zone)}</p>
    <code>${found.text || "every packet"}</code>
    ${missed.length > 0 && html`<p class="hint">Not understood or not used: ${missed.join("; ")}.</p>`}
  `;
}

/** Several records: one of them, or all. */
function Records({ records, zone, chosen, onChoose }) {
  const name = useId();
  const choice = (value, text, more) => html`
    <label class="check" key=${value}>
      <input type="radio" name=${name} checked=${chosen === value} onChange=${() => onChoose(value)} />
      <span><code>${text}</code> <span class="faint">${more}</span></span>
    </label>
  `;
  return html`
    <fieldset class="paste-records" tabindex="0">
      <legend class="visually-hidden">Which record</legend>
      ${choice("all", `all ${count(records.length)}`, "any of them")}
      ${records.slice(0, MOST_LISTED).map((one, at) => choice(at, one.text, describe(one, zone)))}
      ${records.length > MOST_LISTED && html`<p class="hint">${counted(records.length - MOST_LISTED, "more record")} not listed; “all” has them.</p>`}
    </fieldset>
  `;
}
