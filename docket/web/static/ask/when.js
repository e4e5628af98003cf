/** The window of time: quick ranges back from now, or two instants typed or picked from a calendar. */

import { html, names, useEffect, useId, useRef, useState } from "../dom.js";
import { Fault, Faults } from "../parts/button.js";
import { Icon } from "../parts/icons.js";
import { formatDuration, formatTime, readDuration, readTime, zoneName } from "../time.js";
import { useZone } from "../settings.js";
import { store } from "../store.js";
import { changeDraft, windowOf } from "./draft.js";

const RANGES = [
  ["5m", "5 min"],
  ["15m", "15 min"],
  ["1h", "1 h"],
  ["4h", "4 h"],
  ["24h", "24 h"],
  ["7d", "7 d"],
];

const NOT_A_TIME = { message: "Not a time. Try 14:02, 2026-11-24 14:02:00, 15m ago or now." };

const nowUs = () => Math.round(store.now() * 1000);
const set = (when) => changeDraft({ when });

export function When({ when, faults }) {
  const zone = useZone();
  const [picks, setPicks] = useState(0);
  const pick = (last) => {
    setPicks(picks + 1);
    set({ last });
  };
  const window = windowOf(when, nowUs());
  const setAfter = (us, text) => {
    const duration = when.last && readDuration(text.replace(/\s*ago$/i, ""));
    set(duration ? { last: text.replace(/\s*ago$/i, "").replaceAll(" ", "") } : { after: us, before: window.before });
  };
  const setBefore = (us, text) => {
    if (when.last && text.trim().toLowerCase() === "now") return;
    set({ after: window.after, before: us });
  };
  const ends = [window.after, window.before];
  const shown = when.last ? [`${when.last} ago`, "now"] : ends.map((us) => formatTime(us, zone));
  const length = window.before - window.after;
  return html`
    <div class="when">
      <div class="ranges" role="group" aria-label="Time back from now">
        <span class="label" aria-hidden="true">Last</span>
        ${RANGES.map(
          ([last, word]) => html`
            <button type="button" key=${last} class="segment" aria-pressed=${when.last === last}
              onClick=${() => pick(last)}>
              <span class="visually-hidden">Last </span>${word}
            </button>
          `,
        )}
      </div>
      <${Instant} key=${`from ${picks}`} label="From" us=${window.after} shown=${shown[0]} zone=${zone} onChange=${setAfter} />
      <${Instant} key=${`to ${picks}`} label="To" us=${window.before} shown=${shown[1]} zone=${zone} onChange=${setBefore} />
      <p class="window-length">
        ${length > 0 ? html`<strong>${formatDuration(length)}</strong> ` : ""}${zoneName(window.after, zone)}
      </p>
      <${Faults} faults=${faults} />
    </div>
  `;
}

/** The calendar, loaded when it is first opened; the focus stays where it was until then. */
function LazyCalendar(props) {
  const [Calendar, setCalendar] = useState(null);
  useEffect(() => {
    import("./calendar.js").then((module) => setCalendar(() => module.Calendar));
  }, []);
  return Calendar && html`<${Calendar} ...${props} />`;
}

/** One end of the window. Takes every form that `readTime` knows; tidies the text when it is left. */
function Instant({ label, us, shown, zone, onChange }) {
  const id = useId();
  const [text, setText] = useState(shown);
  const [typing, setTyping] = useState(false);
  const [picking, setPicking] = useState(false);
  const button = useRef(null);
  const input = useRef(null);
  useEffect(() => {
    if (document.activeElement !== input.current) setTyping(false);
  }, [shown]);
  useEffect(() => {
    if (!typing) setText(shown);
  }, [shown, typing]);
  const bad = typing && readTime(text, zone, nowUs()) === null;
  useEffect(() => input.current.setCustomValidity(bad ? NOT_A_TIME.message : ""), [bad]);
  const type = (event) => {
    setTyping(true);
    setText(event.target.value);
    const read = readTime(event.target.value, zone, nowUs());
    event.target.setCustomValidity(read === null ? NOT_A_TIME.message : "");
    if (read !== null) onChange(read, event.target.value);
  };
  const leave = () => {
    if (bad) return;
    setTyping(false);
  };
  const close = (picked) => {
    setPicking(false);
    if (picked !== null) onChange(picked, "");
    setTyping(false);
    button.current.focus();
  };
  return html`
    <div class="field instant">
      <label for=${id}>${label}</label>
      <div class=${names("together", { "is-faulty": bad })}>
        <input id=${id} ref=${input} value=${text} spellcheck=${false} autocomplete="off" aria-invalid=${bad}
          aria-describedby=${bad ? id + "-bad" : undefined} onInput=${type} onBlur=${leave} />
        <button type="button" ref=${button} class="plain" aria-label=${`${label}: choose a day`} aria-haspopup="dialog"
          aria-expanded=${picking} onClick=${() => setPicking(!picking)}><${Icon} name="calendar" /></button>
      </div>
      ${bad && html`<${Fault} id=${id + "-bad"} fault=${NOT_A_TIME} />`}
      ${picking && html`<${LazyCalendar} label=${label} us=${us} zone=${zone} nowUs=${nowUs()} onClose=${close} />`}
    </div>
  `;
}
