/** Dialogs over the page, by the browser's own `<dialog>`, which keeps the focus inside and gives it back. */

import { html, useEffect, useId, useRef, useState } from "../dom.js";

/** Shows its children as long as it is drawn; `onClose` is called on Escape and on a click beside it. */
export function Dialog({ title, onClose, children, wide }) {
  const box = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.focus();
  }, []);
  const click = (event) => event.target === box.current && onClose();
  return html`
    <dialog ref=${box} class=${wide ? "is-wide" : ""} aria-labelledby=${id} onClose=${onClose} onClick=${click}>
      <div class="dialog-body">
        <h2 id=${id}>${title}</h2>
        ${children}
      </div>
    </dialog>
  `;
}

let ask = null;

/** Ask before something that cannot be taken back; resolves to true or false. */
export const confirmed = (question) => new Promise((resolve) => ask({ ...question, resolve }));

/** The place where `confirmed` shows its questions: `{ title, text, verb, keep }`; `keep` is the word for no. */
export function Confirmation() {
  const [question, setQuestion] = useState(null);
  ask = setQuestion;
  if (!question) return null;
  const answer = (yes) => {
    setQuestion(null);
    question.resolve(yes);
  };
  return html`
    <${Dialog} title=${question.title} onClose=${() => answer(false)}>
      <p>${question.text}</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick=${() => answer(false)}>${question.keep ?? "Keep"}</button>
        <button type="button" class="button is-danger" onClick=${() => answer(true)}>${question.verb}</button>
      </div>
    <//>
  `;
}
