/** Filling the form by pasting anywhere. What reads the text is loaded with the first paste, and only then. */

import { html, useEffect, useState } from "../dom.js";
import { say } from "../parts/toast.js";

let reading = null;

async function load() {
  reading ??= await import("./paste_dialog.js");
  return reading;
}

/** Into the field as if it had been left to it; the browser's own Undo takes it back. */
function insert(target, text) {
  target.focus();
  document.execCommand("insertText", false, text);
}

function targetOf({ target }) {
  const isText = Boolean(target.matches?.("input, textarea"));
  return { isText, isQuery: Boolean(target.matches?.(".query textarea")), isEmpty: isText && !target.value.trim() };
}

/** Takes a paste, or leaves it to the field that it goes to. */
function takePaste(event, onSeveral) {
  const { target } = event;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!text.trim() || target.closest?.("dialog, [type=search], .packets, .own-paste")) return;
  const stop = () => {
    event.preventDefault();
    event.stopPropagation();
  };
  if (reading) {
    const run = reading.planOf(text, targetOf(event), onSeveral);
    if (run) stop();
    run?.();
    return;
  }
  const where = targetOf(event);
  // Other fields than the query have handlers of their own for lists; they go first.
  const isOwn = where.isText && !where.isQuery;
  if (!isOwn) stop();
  load().then(
    ({ planOf }) => {
      const run = planOf(text, where, onSeveral);
      if (run) run();
      else if (!isOwn) insert(target, text);
    },
    () => say("What reads pasted texts could not be loaded. Paste once more.", { tone: "bad" }),
  );
}

/** Fill the form from what is pasted anywhere on the page, as long as the form is shown. */
export function usePasting(onSeveral) {
  useEffect(() => {
    const take = (event) => takePaste(event, onSeveral);
    document.addEventListener("paste", take, true);
    return () => document.removeEventListener("paste", take, true);
  }, []);
}

export function PasteDialog(props) {
  const [module, setModule] = useState(reading);
  useEffect(() => {
    if (!module) load().then(setModule, () => say("The dialog could not be loaded. Try again.", { tone: "bad" }));
  }, []);
  return module && html`<${module.PasteDialog} ...${props} />`;
}
