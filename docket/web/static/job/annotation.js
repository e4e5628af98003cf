/** What people write on a job after it was asked: note, tags, case number. */

import { html, useId, useState } from "../dom.js";
import { api } from "../api.js";
import { Button, Faults } from "../parts/button.js";
import { TagLink } from "../jobs/tags.js";
import { say } from "../parts/toast.js";
import { store } from "../store.js";

/** What is written, among the facts of the question. */
export function Written({ job }) {
  return html`
    ${job.note && html`<dt>Note</dt><dd class="note-text">${job.note}</dd>`}
    ${job.case && html`<dt>Case</dt><dd class="note-text">${job.case}</dd>`}
    ${job.tags?.length > 0 && html`<dt>Tags</dt><dd><${Tags} tags=${job.tags} /></dd>`}
  `;
}

/** The button to write, and the form that takes its place. */
export function Annotation({ job }) {
  const [isWriting, setIsWriting] = useState(false);
  if (isWriting) return html`<${Form} key=${job.id} job=${job} onDone=${() => setIsWriting(false)} />`;
  const has = job.note || job.case || job.tags?.length;
  return html`
    <div class="copies">
      <${Button} icon="edit" look="is-small" onClick=${() => setIsWriting(true)}>${has ? "Edit" : "Add"} note, tags, case<//>
    </div>
  `;
}

const Tags = ({ tags }) => html`<span class="tags">${tags.map((tag) => html`<${TagLink} key=${tag} tag=${tag} />`)}</span>`;

const tagsOf = (text) => text.split(",").map((tag) => tag.trim()).filter(Boolean);

function Form({ job, onDone }) {
  const id = useId();
  const [note, setNote] = useState(job.note);
  const [tags, setTags] = useState((job.tags ?? []).join(", "));
  const [number, setNumber] = useState(job.case ?? "");
  const [faults, setFaults] = useState([]);
  const save = async (event) => {
    event.preventDefault();
    try {
      store.putJob(await api.annotate(job.id, { note, tags: tagsOf(tags), case: number }));
      say("Written on the job.");
      onDone();
    } catch (error) {
      setFaults(error.errors ?? [error]);
    }
  };
  return html`
    <form class="annotation own-paste" onSubmit=${save} onKeyDown=${(event) => event.key === "Escape" && onDone()}>
      <label for=${id + "-note"}>Note</label>
      <textarea id=${id + "-note"} rows="3" maxlength="2000" value=${note} onInput=${(event) => setNote(event.target.value)}></textarea>
      <label for=${id + "-tags"}>Tags, with commas between</label>
      <input id=${id + "-tags"} value=${tags} onInput=${(event) => setTags(event.target.value)} />
      <label for=${id + "-case"}>Case</label>
      <input id=${id + "-case"} maxlength="100" value=${number} onInput=${(event) => setNumber(event.target.value)} />
      <${Faults} faults=${faults} />
      <div class="headline-actions">
        <button type="submit" class="button is-primary">Save</button>
        <button type="button" class="button" onClick=${onDone}>Close</button>
      </div>
    </form>
  `;
}
