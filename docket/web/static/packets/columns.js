/** Which columns the list of packets has, and the menu to choose them. */

import { html } from "../dom.js";
import { setSetting, useSetting } from "../settings.js";

/** `width` is that of the grid; those without `optional` are always there. */
export const COLUMNS = [
  { name: "no", word: "No.", width: "3.75rem" },
  { name: "time", word: "Time", width: "8.5rem" },
  { name: "delta", word: "Delta", width: "6rem", optional: true, off: true },
  { name: "recorded", word: "Recorded by", width: "minmax(5rem, 10rem)", optional: true, several: true },
  { name: "source", word: "Source", width: "minmax(6rem, 13rem)", optional: true },
  { name: "destination", word: "Destination", width: "minmax(6rem, 13rem)", optional: true },
  { name: "protocol", word: "Protocol", width: "5.5rem", optional: true },
  { name: "length", word: "Length", width: "4rem", optional: true },
  { name: "stream", word: "Stream", width: "4.5rem", optional: true, off: true },
  { name: "info", word: "Info", width: "minmax(10rem, 1fr)" },
];

/** `isSeveral`: the packets are of several sources; else one column says nothing. */
export function useColumns(isSeveral) {
  const chosen = useSetting("packetColumns") ?? {};
  return COLUMNS.filter(
    ({ name, optional, off, several }) => (!several || isSeveral) && (!optional || (chosen[name] ?? !off)),
  );
}

/** The template of the grid for these columns. */
export const templateOf = (columns) => columns.map(({ width }) => width).join(" ");

export function ColumnMenu() {
  const chosen = useSetting("packetColumns") ?? {};
  const coloured = useSetting("packetColours") ?? true;
  const set = (name, on) => setSetting("packetColumns", { ...chosen, [name]: on });
  return html`
    <details class="menu">
      <summary class="button is-small">Columns</summary>
      <div class="menu-body">
        ${COLUMNS.filter(({ optional }) => optional).map(({ name, word, off }) => {
          const on = chosen[name] ?? !off;
          return html`<label class="check" key=${name}>
            <input type="checkbox" checked=${on} onChange=${() => set(name, !on)} /> ${word}</label>`;
        })}
        <label class="check">
          <input type="checkbox" checked=${coloured} onChange=${() => setSetting("packetColours", !coloured)} /> Colour rules
        </label>
      </div>
    </details>
  `;
}
