/** Keys that work on the whole page, and the dialog that lists them. */

import { html, useEffect } from "../dom.js";
import { navigate } from "../route.js";
import { setSetting } from "../settings.js";
import { Dialog } from "./dialog.js";

const PAGE_KEYS = [
  ["/", "Search the jobs; on a job, filter its packets"],
  ["n", "Write a question"],
  ["Ctrl Enter", "Ask it"],
  ["s", "Sources"],
  ["?", "These keys"],
];

const ROW_KEYS = [
  ["↓ ↑ or j k", "Next, previous job"],
  ["Enter", "Open"],
  ["d", "Download"],
  ["a", "Ask again, with changes"],
  ["r", "Retry the sources that fell short"],
  ["c", "Cancel"],
  ["Delete", "Delete the result"],
  ["x", "Choose, for several at once"],
];

const PACKET_KEYS = [
  ["p", "To the list of packets"],
  ["↓ ↑ or j k", "Next, previous packet"],
  ["Page Down or End", "Further on, to the last one"],
  ["Enter", "Open"],
  ["Escape", "Close"],
  ["f", "Follow the stream of the open packet"],
  ["m", "Mark the packet"],
  ["Alt ←", "One step back: stream, packet, filter"],
];

const MOST_FRAMES = 120;

/** Puts the keyboard somewhere as soon as the page that was gone to is drawn. */
function focusWhenDrawn(selector, frames = MOST_FRAMES) {
  const element = document.querySelector(selector);
  if (element) element.focus();
  else if (frames > 0) requestAnimationFrame(() => focusWhenDrawn(selector, frames - 1));
}

/** What `/` searches, the nearest first. */
const SEARCHES = ["#packet-filter", ".reach #source-search", "#job-search"];

/** Puts the keyboard on the list of packets. */
export function focusPackets() {
  const list = document.querySelector(".packets .grid");
  list?.closest(".packets").scrollIntoView({ block: "start" });
  list?.focus({ preventScroll: true });
}

const KEYS = {
  "/": () => {
    const search = SEARCHES.map((selector) => document.querySelector(selector)).find(Boolean);
    if (search) return search.focus();
    navigate("");
    return focusWhenDrawn("#job-search");
  },
  p: focusPackets,
  f: () => document.querySelector(".detail .follow-button")?.click(),
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
      ${list(PAGE_KEYS)}
      <h3>On a row of the jobs</h3>
      ${list(ROW_KEYS)}
      <h3>On the packets of a job</h3>
      ${list(PACKET_KEYS)}
      <div class="dialog-actions"><button type="button" class="button" onClick=${onClose}>Close</button></div>
    <//>
  `;
}
