/** The panel in which a question is written: time first, then what to look for, then whom to ask. */

import { html, useEffect, useRef, useState } from "../dom.js";
import { Button, Faults } from "../parts/button.js";
import { ApiError, api } from "../api.js";
import { confirmed } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { say, sayError } from "../parts/toast.js";
import { store, useStore } from "../store.js";
import { setSetting, useSetting } from "../settings.js";
import { counted, readCount, readSize, size } from "../figures.js";
import { noticeFor } from "../notices.js";
import { navigate } from "../route.js";
import { faultsOf, useCheck, notesOf } from "./check.js";
import { EMPTY, changeDraft, currentDraft, toRequest, useDraft } from "./draft.js";
import { Fields } from "./fields.js";
import { More } from "./more.js";
import { PasteDialog, usePasting } from "./paste.js";
import { takeLink } from "./link.js";
import { Saved } from "./saved.js";
import { QueryText } from "./text.js";
import { When } from "./when.js";
import { Where } from "./where.js";

export function AskPanel() {
  const open = useSetting("askOpen");
  const [pasting, setPasting] = useState(null);
  usePasting(setPasting);
  useEffect(() => {
    if (takeLink(Math.round(store.now() * 1000))) setSetting("askOpen", true);
  }, []);
  return html`
    <section class="ask panel" aria-labelledby="ask-title">
      <header class="panel-head">
        <h2 id="ask-title">
          <button type="button" class="disclose" aria-expanded=${open} aria-controls="ask-form"
            onClick=${() => setSetting("askOpen", !open)}>
            <${Icon} name="chevron" /> Ask
          </button>
        </h2>
        <span class="grow"></span>
        <${Saved} />
        <${Button} icon="clipboard" look="is-small" onClick=${() => setPasting("")}>From a record<//>
        <${Button} icon="cross" look="is-small" onClick=${clear}>Clear<//>
      </header>
      ${open && html`<${Form} />`}
      ${pasting !== null && html`<${PasteDialog} text=${pasting} onClose=${() => setPasting(null)} />`}
    </section>
  `;
}

function clear() {
  const before = currentDraft();
  changeDraft(EMPTY);
  say("The form is empty.", { action: { word: "Undo", run: () => changeDraft(before) } });
}

/** The fields beside which a fault is shown; others are shown below the form. */
const PLACES = new Set("query after before sources limits limits.bytes limits.packets deadline_s note".split(" "));

function Form() {
  const draft = useDraft();
  const presence = useStore((state) => state.presence);
  const { answer, current } = useCheck(draft, presence);
  const [refused, setRefused] = useState([]);
  const [sending, setSending] = useState(false);
  const query = useRef(null);
  useEffect(() => setRefused([]), [draft]);

  const errors = [...faultsThatStand(answer, current, draft), ...refused];
  const queryFaults = faultsOf(errors, "query");
  const others = errors.filter((fault) => !PLACES.has(fault.field));
  const send = async (event) => {
    event.preventDefault();
    if (sending) return undefined;
    if (queryFaults.length) return query.current.focus();
    const { request, errors: own } = toRequest(draft);
    if (own.length) return setRefused(own);
    setSending(true);
    await ask(request, setRefused, () => query.current?.focus());
    return setSending(false);
  };
  return html`
    <form id="ask-form" onSubmit=${send} onKeyDown=${(event) => isCtrlEnter(event) && event.currentTarget.requestSubmit()}>
      <${When} when=${draft.when} faults=${faultsOf(errors, "after", "before")} />
      <${Where} draft=${draft} coverage=${answer?.coverage} known=${current} />
      <${Faults} faults=${faultsOf(errors, "sources")} />
      <${Fields} text=${draft.text} faults=${queryFaults} />
      <${QueryText} text=${draft.text} faults=${queryFaults} inputRef=${query}
        explanation=${answer?.ok ? answer.explanation : ""} notes=${answer?.ok ? notesOf(answer) : []} />
      <div class="ask-foot">
        <${More} draft=${draft} errors=${errors} />
        <span class="estimate">${answer?.ok && answer.estimate && estimateText(answer.estimate, draft)}</span>
        <button type="submit" class="button is-primary" title="Ctrl + Enter"
          disabled=${sending || queryFaults.length > 0}>
          ${sending ? "Asking…" : "Ask"}
        </button>
      </div>
      <${Faults} faults=${others} />
    </form>
  `;
}

/** Faults of the newest check. While the next one is under way, those of a part that has not changed still stand. */
function faultsThatStand(answer, current, draft) {
  if (!answer || answer.ok) return [];
  if (current) return answer.errors;
  return answer.question.query === draft.text ? faultsOf(answer.errors, "query") : [];
}

/** What may come, and where the limits beside it will end that. */
function estimateText({ bytes, packets, sentence }, draft) {
  const [mostBytes, mostPackets] = [readSize(draft.bytes), readCount(draft.packets)];
  const limits = [
    mostBytes && bytes > mostBytes && size(mostBytes),
    mostPackets && packets > mostPackets && counted(mostPackets, "packet"),
  ].filter(Boolean);
  return limits.length ? `${sentence.replace(/\.?$/, ".")} The job stops at its limit of ${limits.join(" or ")}.` : sentence;
}

const isCtrlEnter = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey);

/** What may be a mistake, far more than a job may have, is asked only after a confirmation. */
async function askForMuch(error, request, onRefused, onFault) {
  const text = error.message[0].toUpperCase() + error.message.slice(1) + ".";
  const insists = await confirmed({ title: "Really so much?", text, verb: "Ask all the same", keep: "Back" });
  if (insists) await ask({ ...request, force: true }, onRefused, onFault);
}

async function ask(request, onRefused, onFault) {
  try {
    const { job, isNew } = await api.ask(request);
    store.putJob(job);
    noticeFor(job.id);
    say(isNew ? "Asked." : "This was asked already; here is that job.", {
      action: { word: "Open the job", run: () => navigate("jobs/" + job.id) },
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "too-big") return askForMuch(error, request, onRefused, onFault);
    if (error.status === 0 || error.status >= 500) sayError(error);
    else onRefused(error.errors);
    if (error.errors.some((fault) => fault.field === "query")) onFault();
  }
}
