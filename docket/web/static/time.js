/**
 * Times: RFC 3339 texts from and to the server, whole microseconds inside (they fit a double exactly), and
 * the zone that the reader chose on the screen. Pure.
 */

export const S = 1_000_000;
export const MIN = 60 * S;
export const HOUR = 60 * MIN;
export const DAY = 24 * HOUR;

/** The second that an instant lies in, where its fraction would only be noise. */
export const wholeSecond = (us) => Math.floor(us / S) * S;

const pad = (number, width = 2) => String(number).padStart(width, "0");

const RFC = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d:?\d\d)$/i;
const PLAIN = /^(?:(\d{4})-(\d\d?)-(\d\d?))?[T ]*(?:(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?$/;
const EPOCH = /^(\d{9,10})(?:\.(\d{1,9}))?$/;
const DURATION = /^(?:\d+(?:\.\d+)?\s*(?:us|ms|s|m|h|d|w)\s*)+$/i;
const UNIT_US = { us: 1, ms: 1000, s: S, m: MIN, h: HOUR, d: DAY, w: 7 * DAY };

const micros = (digits) => Number((digits ?? "").padEnd(6, "0").slice(0, 6));

/** Microseconds since 1970 of an RFC 3339 text with an offset; null if it is none. */
export function fromRfc(text) {
  const found = RFC.exec(text ?? "");
  if (!found) return null;
  const zone = found[4]
    .toUpperCase()
    .replace("UTC", "Z")
    .replace(/^([+-]\d\d)(\d\d)$/, "$1:$2");
  const ms = Date.parse(`${found[1]}T${found[2]}${zone}`);
  return Number.isNaN(ms) ? null : ms * 1000 + micros(found[3]);
}

/** RFC 3339 in UTC with six digits, as the server writes it. */
export function toRfc(us) {
  const ms = Math.floor(us / 1000);
  return `${new Date(ms).toISOString().slice(0, 19)}.${pad(us - Math.floor(us / S) * S, 6)}Z`;
}

const IN_SENTENCE = /(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(?:UTC|Z)\b/g;

/** A sentence of the server, which names times in UTC, with the times of the reader's zone. */
export function inZone(text, zone) {
  if (zone === "utc" || !text) return text;
  return text.replace(IN_SENTENCE, (all, day, clock) => {
    const us = fromRfc(`${day}T${clock.length === 5 ? clock + ":00" : clock}Z`);
    return us === null ? all : `${formatTime(us, zone)} ${zoneName(us, zone)}`;
  });
}

/** The parts of an instant in a zone ("utc" or "local"). */
export function partsOf(us, zone) {
  const date = new Date(Math.floor(us / 1000));
  const [year, month, day, hour, minute, second] =
    zone === "utc"
      ? [
          date.getUTCFullYear(),
          date.getUTCMonth(),
          date.getUTCDate(),
          date.getUTCHours(),
          date.getUTCMinutes(),
          date.getUTCSeconds(),
        ]
      : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  return { year, month, day, hour, minute, second, micro: us - Math.floor(us / S) * S };
}

/** The instant of a wall-clock reading in a zone. Months count from 0 and may run over, as in `Date`. */
export function fromParts({ year, month, day, hour = 0, minute = 0, second = 0, micro = 0 }, zone) {
  const ms =
    zone === "utc"
      ? Date.UTC(year, month, day, hour, minute, second)
      : new Date(year, month, day, hour, minute, second).getTime();
  return ms * 1000 + micro;
}

export function formatDay(us, zone) {
  const { year, month, day } = partsOf(us, zone);
  return `${year}-${pad(month + 1)}-${pad(day)}`;
}

/** "14:02:00", with only as many digits behind the second as say something. */
export function formatClock(us, zone, seconds = true) {
  const { hour, minute, second, micro } = partsOf(us, zone);
  const fraction = micro ? "." + pad(micro, 6).replace(/(000)?$/, "") : "";
  return `${pad(hour)}:${pad(minute)}` + (seconds || second || micro ? `:${pad(second)}${fraction}` : "");
}

/** "14:02:00.000000": all digits, so that times below each other are aligned. */
export function formatExactClock(us, zone) {
  const { hour, minute, second, micro } = partsOf(us, zone);
  return `${pad(hour)}:${pad(minute)}:${pad(second)}.${pad(micro, 6)}`;
}

export const formatTime = (us, zone) => `${formatDay(us, zone)} ${formatClock(us, zone)}`;

/** Both ends of a window, to the second; with the day where it spans several. */
export function formatEdges(after, before, zone) {
  const days = [after, before].map((us) => formatDay(us, zone).slice(5) + " ");
  return [after, before].map(
    (us, index) => (days[0] === days[1] ? "" : days[index]) + formatClock(wholeSecond(us), zone),
  );
}

/** What stands behind a time: "UTC" or the local offset at that instant. */
export function zoneName(us, zone) {
  if (zone === "utc") return "UTC";
  const minutes = -new Date(Math.floor(us / 1000)).getTimezoneOffset();
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** "14:02:00 – 14:10:00" with the day in front, and behind too if it is another one. */
export function formatWindow(after, before, zone) {
  const [first, last] = [formatDay(after, zone), formatDay(before, zone)];
  return `${first} ${formatClock(after, zone)} – ${last === first ? "" : last + " "}${formatClock(before, zone)}`;
}

/** "8 min", "1 h 30 min", "2 d 4 h": at most two units, rounded down. */
export function formatDuration(us) {
  if (us < S) return us < 1000 ? `${Math.round(us)} µs` : `${Math.floor(us / 1000)} ms`;
  const units = [
    [DAY, "d"],
    [HOUR, "h"],
    [MIN, "min"],
    [S, "s"],
  ];
  const at = units.findIndex(([unit]) => us >= unit);
  const [unit, word] = units[at];
  const first = `${Math.floor(us / unit)} ${word}`;
  const next = units[at + 1];
  const rest = next ? Math.floor((us % unit) / next[0]) : 0;
  return rest ? `${first} ${rest} ${next[1]}` : first;
}

/** "just now", "12 s ago", "3 min ago", "in 2 h". */
export function formatAge(us, nowUs) {
  const age = nowUs - us;
  if (Math.abs(age) < S) return "just now";
  const short = formatDuration(Math.abs(age)).split(" ").slice(0, 2).join(" ");
  return age < 0 ? `in ${short}` : `${short} ago`;
}

/** The same with the larger unit alone, for narrow columns. */
export const shortAge = (us, nowUs) => formatAge(us, nowUs).replace(/ \d+ (?:h|min|s)(?= ago|$)/, "");

/** Microseconds of "15m", "3h30m", "3.5h", "2w1d"; null if it is no duration. */
export function readDuration(text) {
  const trimmed = text.trim();
  if (!DURATION.test(trimmed)) return null;
  let total = 0;
  for (const [, number, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)/gi)) {
    total += Number(number) * UNIT_US[unit.toLowerCase()];
  }
  return Math.round(total);
}

/**
 * The instant of a typed text: with an offset, or a wall-clock reading in `zone`; a bare clock time is
 * today's; "now"; a duration counts back from now; seconds since 1970. Null if it is none of these.
 */
export function readTime(text, zone, nowUs) {
  const trimmed = text.trim().replace(/\s+ago$/i, "");
  if (trimmed.toLowerCase() === "now") return nowUs;
  const exact = fromRfc(trimmed);
  if (exact !== null) return exact;
  const epoch = EPOCH.exec(trimmed);
  if (epoch) return Number(epoch[1]) * S + micros(epoch[2]);
  const duration = readDuration(trimmed);
  if (duration !== null) return nowUs - duration;
  return trimmed ? readWallClock(trimmed, zone, nowUs) : null;
}

function readWallClock(text, zone, nowUs) {
  const found = PLAIN.exec(text);
  if (!found) return null;
  const today = partsOf(nowUs, zone);
  const [year, month, day] = found[1]
    ? [Number(found[1]), Number(found[2]) - 1, Number(found[3])]
    : [today.year, today.month, today.day];
  const [hour, minute, second] = [Number(found[4] ?? 0), Number(found[5] ?? 0), Number(found[6] ?? 0)];
  if (hour > 24 || minute > 59 || second > 60) return null;
  const us = fromParts({ year, month, day, hour, minute, second, micro: micros(found[7]) }, zone);
  return partsOf(us, zone).day === day || hour === 24 ? us : null;
}
