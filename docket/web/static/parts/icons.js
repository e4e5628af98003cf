/** Line icons, 16 by 16, drawn in the colour of the text. They decorate a word, so screen readers skip them. */

import { html } from "../dom.js";

const PATHS = {
  archive: "M2.5 3.5h11v3h-11zM3.5 6.5v6h9v-6M6.5 9h3",
  again: "M3 8a5 5 0 1 1 1.5 3.5M3 12.5V9.5h3",
  ask: "M8 2.5a5.5 5.5 0 1 1-2.6 10.3L2.5 13.5l.8-2.7A5.5 5.5 0 0 1 8 2.5z",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1 1H3zM6.8 14h2.4",
  calendar: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v3M10.5 2v3",
  check: "M3 8.5l3.3 3.3L13 4.8",
  chevron: "M4 6l4 4 4-4",
  clipboard: "M5 3.5H3.5v10h9v-10H11M5.5 2.5h5v2.5h-5z",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.3l2.2 1.4",
  cross: "M4 4l8 8M12 4l-8 8",
  cut: "M1.5 8h5M9.5 8h5M7.8 3.5l-2 9M10.2 3.5l-2 9",
  download: "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.5h10",
  edit: "M3 13l.8-3 6.7-6.7 2.2 2.2L6 12.2zM9 4.8L11.2 7",
  gap: "M2.5 5v6M2.5 8h3.5M10 8h3.5M13.5 5v6",
  half: "M8 2.5a5.5 5.5 0 1 1 0 11zM8 2.5a5.5 5.5 0 0 0 0 11",
  info: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 7.3v3.5M8 5v.4",
  keyboard: "M1.5 4.5h13v7h-13zM4 7h.6M6.7 7h.6M9.4 7h.6M12 7h.4M5 9.3h6",
  left: "M10 3.5L5.5 8l4.5 4.5",
  limit: "M13 3v10M2.5 8h8M7.5 5l3 3-3 3",
  link: "M6.7 9.3a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7L8 4.3M9.3 6.7a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7L8 11.7",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6z",
  minus: "M3.5 8h9",
  plus: "M3.5 8h9M8 3.5v9",
  right: "M6 3.5L10.5 8 6 12.5",
  run: "M5 3.5l7 4.5-7 4.5z",
  search: "M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2l3.3 3.3",
  source: "M2.5 3.5h11v3.5h-11zM2.5 9h11v3.5h-11zM5 5.3h.4M5 10.8h.4",
  stop: "M4 4h8v8H4z",
  sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1",
  system: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 2.5v11M8 5h3.8M8 8h5.4M8 11h3.8",
  timer: "M8 4a4.7 4.7 0 1 1 0 9.4A4.7 4.7 0 0 1 8 4zM6.5 1.8h3M8 6.3v2.6",
  trash: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.8l.6-9",
  unplug:
    "M2.5 13.5l2.6-2.6M4.3 7.2l4.5 4.5-1.2 1.2a3.2 3.2 0 0 1-4.5-4.5zM7 4.5L8.4 3a3.2 3.2 0 0 1 4.5 4.5L11.5 9M10.9 5.1l2.6-2.6",
  warn: "M8 2.5l6 11H2zM8 6.5v3.2M8 11.5v.3",
  zero: "M8 2.8c2 0 3 2.2 3 5.2s-1 5.2-3 5.2-3-2.2-3-5.2 1-5.2 3-5.2z",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** Icon and word in the tone's colour: the one way in which states and verdicts are shown. */
export function Badge({ of, children }) {
  return html`<span class="badge tone-${of.tone}"><${Icon} name=${of.icon} /><span>${of.word}${children}</span></span>`;
}
