/** Keys that work on the whole page, and the dialog that tells them. */

import { html, useEffect } from "../dom.js";
import { navigate } from "../route.js";
import { setSetting } from "../settings.js";
import { Dialog } from "./dialog.js";

const TOLD = [
  ["/", "Search the jobs"],
  ["n", "Write a question"],
  ["Ctrl Enter", "Ask it"],
  ["s", "Sources"],
  ["?", "These keys"],
];

const TOLD_OF_ROWS = [
  ["↓ ↑ or j k", "Next, previous job"],
  ["Enter", "Open"],
  ["d", "Download"],
  ["a", "Ask again, with changes"],
  ["r", "Retry the sources that fell short"],
  ["c", "Cancel"],
  ["Delete", "Delete the result"],
];

const MOST_FRAMES = 120;

/** Puts the keyboard somewhere as soon as the page that was gone to is drawn. */
function focusWhenDrawn(selector, frames = MOST_FRAMES) {
  const element = document.querySelector(selector);
  if (element) element.focus();
  else if (frames > 0) requestAnimationFrame(() => focusWhenDrawn(selector, frames - 1));
}

const KEYS = {
  "/": () => {
    if (!document.getElementById("job-search")) navigate("");
    focusWhenDrawn("#job-search");
  },
  n: () => {
    setSetting("askOpen", true);
    if (!document.getElementById("ask-title")) navigate("");
    focusWhenDrawn(".query textarea");
  },
  s: () => navigate("sources"),
};

/** Listens for the keys of the page, except where something is being typed or a dialog is open. */
export function useShortcuts(onHelp) {
  useEffect(() => {
    const listener = (event) => {
      const typing = event.target.closest?.("input, textarea, select, dialog");
      if (typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const run = event.key === "?" ? onHelp : KEYS[event.key];
      if (!run) return;
      event.preventDefault();
      run();
    };
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
}

export function Shortcuts({ onClose }) {
  const list = (keys) =>
    html`<dl class="keys">
      ${keys.map(([key, text]) => html`<dt key=${key}><kbd>${key}</kbd></dt><dd>${text}</dd>`)}
    </dl>`;
  return html`
    <${Dialog} title="Keyboard" onClose=${onClose}>
      <h3>Anywhere</h3>
      ${list(TOLD)}
      <h3>On a row of the jobs</h3>
      ${list(TOLD_OF_ROWS)}
      <div class="dialog-actions"><button type="button" class="button" onClick=${onClose}>Close</button></div>
    <//>
  `;
}
