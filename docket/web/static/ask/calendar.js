/** A month to pick a day from, by mouse or by keyboard (arrows, Page Up and Down, Home, End, Enter, Escape). */

import { html, names, useEffect, useRef, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { fromParts, partsOf } from "../time.js";

const DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS = "January February March April May June July August September October November December".split(" ");

/** A day of the calendar as a UTC date, so that no zone can shift it. */
const dayOf = ({ year, month, day }) => new Date(Date.UTC(year, month, day));
const same = (a, b) => a.getTime() === b.getTime();
const weekday = (date) => (date.getUTCDay() + 6) % 7;

function moved(date, days, months = 0) {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + months, date.getUTCDate() + days];
  if (!months) return new Date(Date.UTC(year, month, day));
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month, Math.min(date.getUTCDate(), last)));
}

/** The six weeks that show the month of a day. */
function weeksOf(date) {
  const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
  const start = moved(first, -weekday(first));
  return Array.from({ length: 6 }, (_, week) => Array.from({ length: 7 }, (_, day) => moved(start, week * 7 + day)));
}

const STEPS = {
  ArrowLeft: (date) => moved(date, -1),
  ArrowRight: (date) => moved(date, 1),
  ArrowUp: (date) => moved(date, -7),
  ArrowDown: (date) => moved(date, 7),
  PageUp: (date) => moved(date, 0, -1),
  PageDown: (date) => moved(date, 0, 1),
  Home: (date) => moved(date, -weekday(date)),
  End: (date) => moved(date, 6 - weekday(date)),
};

/** Calls `onClose` with the instant of the day picked, at the clock time that `us` has, or with null. */
export function Calendar({ label, us, zone, nowUs, onClose }) {
  const chosen = dayOf(partsOf(us, zone));
  const today = dayOf(partsOf(nowUs, zone));
  const [at, setAt] = useState(chosen);
  const box = useRef(null);
  const focusDay = useRef(true);

  useEffect(() => {
    if (focusDay.current) box.current.querySelector("[tabindex='0'].day").focus();
  }, [at]);
  useEffect(() => {
    const outside = (event) => box.current && !box.current.contains(event.target) && onClose(null);
    const timer = setTimeout(() => document.addEventListener("click", outside));
    return () => {
      clearTimeout(timer);
      document.removeEventListener("click", outside);
    };
  }, []);

  const pick = (date) => {
    const clock = partsOf(us, zone);
    onClose(
      fromParts({ ...clock, year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate() }, zone),
    );
  };
  const onKeyDown = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      onClose(null);
    } else if (STEPS[event.key] && event.target.classList.contains("day")) {
      event.preventDefault();
      focusDay.current = true;
      setAt(STEPS[event.key](at));
    }
  };
  const turn = (months) => () => {
    focusDay.current = false;
    setAt(moved(at, 0, months));
  };
  return html`
    <div class="calendar" role="dialog" aria-label=${`${label}: choose a day`} ref=${box} onKeyDown=${onKeyDown}>
      <div class="calendar-head">
        <${IconButton} icon="left" label="Month before" onClick=${turn(-1)} />
        <strong aria-live="polite">${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}</strong>
        <${IconButton} icon="right" label="Month after" onClick=${turn(1)} />
      </div>
      <table role="grid">
        <thead>
          <tr>${DAYS.map((day, index) => html`<th scope="col" abbr=${DAY_NAMES[index]} key=${day}>${day}</th>`)}</tr>
        </thead>
        <tbody>
          ${weeksOf(at).map(
            (week) => html`<tr key=${week[0].getTime()}>
              ${week.map(
                (date) => html`<td key=${date.getTime()} aria-selected=${same(date, chosen)}>
                <${Day} date=${date} at=${at} today=${today} onPick=${pick} />
              </td>`,
              )}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function Day({ date, at, today, onPick }) {
  const outside = date.getUTCMonth() !== at.getUTCMonth();
  const name = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return html`
    <button type="button" class=${names("day", { "is-outside": outside })} tabindex=${same(date, at) ? 0 : -1} aria-label=${name}
      aria-current=${same(date, today) ? "date" : undefined} onClick=${() => onPick(date)}>${date.getUTCDate()}</button>
  `;
}
