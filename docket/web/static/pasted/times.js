/** Times as logs, tools and people write them. Pure. */

import { DAY, MIN, S, fromParts, fromRfc, partsOf } from "../time.js";

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const FIRST_US = Date.UTC(2000, 0, 1) * 1000;
const NAMED_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
const CLOCK = "(\\d{1,2}):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?(?:\\s?([ap])\\.?m\\b\\.?)?";
const CLOCK_PARTS = "hour minute second fraction half";
const OFFSET = "\\s?(Z|UTC|GMT|[+-]\\d\\d:?\\d\\d)?(?!\\w|:\\d)";

/** Each form with what its groups mean. The first that is found counts, so that the most exact ones stand first. */
const FORMS = [
  [`(\\d{4})-(\\d\\d)-(\\d\\d)(?:T|,?\\s+(?:at\\s+|@\\s*)?)${CLOCK}${OFFSET}`, `year month day ${CLOCK_PARTS} offset`],
  [`(\\d{4})/(\\d\\d)/(\\d\\d)\\s+${CLOCK}${OFFSET}`, `year month day ${CLOCK_PARTS} offset`],
  [`(\\d{1,2})/(\\d{1,2})/(\\d{4})[-,\\s]+${CLOCK}${OFFSET}`, `month day year ${CLOCK_PARTS} offset`],
  [`(\\d{1,2})/(\\d{1,2})/(\\d\\d)[-,\\s]+${CLOCK}${OFFSET}`, `month day year ${CLOCK_PARTS} offset`],
  [`(\\d{1,2})\\.(\\d{1,2})\\.(\\d{4})(?:,|\\s+um|\\s+at)?\\s+${CLOCK}${OFFSET}`, `day month year ${CLOCK_PARTS} offset`],
  [`(\\d\\d)/(\\d\\d)-${CLOCK}()`, `month day ${CLOCK_PARTS} offset`],
  [`(\\d{1,2})/${NAMED_MONTH}/(\\d{4}):${CLOCK}${OFFSET}`, `day name year ${CLOCK_PARTS} offset`],
  [`(\\d{1,2})[ -]${NAMED_MONTH}[ -](\\d{4})[,\\s]+${CLOCK}${OFFSET}`, `day name year ${CLOCK_PARTS} offset`],
  [`${NAMED_MONTH}\\s+(\\d{1,2}),?\\s+(\\d{4})[,\\s@]+${CLOCK}${OFFSET}`, `name day year ${CLOCK_PARTS} offset`],
  [`${NAMED_MONTH}\\s+(\\d{1,2})\\s+${CLOCK}\\s+(\\d{4})()`, `name day ${CLOCK_PARTS} year offset`],
  [`${NAMED_MONTH}\\s+(\\d{1,2})\\s+${CLOCK}${OFFSET}`, `name day ${CLOCK_PARTS} offset`],
].map(([form, groups]) => [new RegExp(`(?<![\\d.:/-])${form}`, "i"), groups.split(" ")]);

const EPOCH = /(?<![\w.:/-])(\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})(?![\w:/.-])/;
const BARE_CLOCK = new RegExp(`(?<![\\d.:/-])${CLOCK}${OFFSET}`, "i");

const CENTURY = 2000;

const micros = (digits) => Number((digits ?? "").padEnd(6, "0").slice(0, 6));

/** Microseconds of seconds, milliseconds, microseconds or nanoseconds since 1970; null if it is none that can be. */
export function fromEpoch(value, nowUs) {
  const text = String(value ?? "").trim();
  const found = /^(\d{9,19})(?:\.(\d{1,9}))?$/.exec(text);
  if (!found) return null;
  const digits = found[1];
  const us =
    digits.length <= 10
      ? Number(digits) * S + micros(found[2])
      : digits.length === 13
        ? Number(digits) * 1000
        : digits.length === 16
          ? Number(digits)
          : digits.length === 19
            ? Number(digits.slice(0, 16))
            : null;
  return us !== null && us > FIRST_US && us < nowUs + 2 * DAY ? us : null;
}

/** The zone of an offset as written, or that of the page. */
function instantOf(parts, offset, zone) {
  if (!offset) return fromParts(parts, zone);
  const us = fromParts(parts, "utc");
  const found = /([+-])(\d\d):?(\d\d)/.exec(offset);
  return found ? us - (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) * MIN : us;
}

/** The hour of a clock of twice twelve. */
const hourOf = (hour, half) => (half ? (Number(hour) % 12) + (half.toLowerCase() === "p" ? 12 : 0) : Number(hour));

function fromForm(found, groups, { nowUs, zone }) {
  const value = Object.fromEntries(groups.map((name, at) => [name, found[at + 1]]));
  const named = value.name && MONTHS.indexOf(value.name.slice(0, 3).toLowerCase()) + 1;
  // 24/11/2026 can only be a day before its month.
  const isSwapped = !named && Number(value.month) > 12 && Number(value.day) <= 12;
  const month = Number(named || (isSwapped ? value.day : value.month)) - 1;
  const day = Number(isSwapped ? value.month : value.day);
  const [hour, minute] = [hourOf(value.hour, value.half), Number(value.minute)];
  const second = Number(value.second ?? 0);
  if (month > 11 || day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  const parts = { month, day, hour, minute, second, micro: micros(value.fraction) };
  const year = value.year ? Number(value.year) + (value.year.length === 2 ? CENTURY : 0) : partsOf(nowUs, zone).year;
  const us = instantOf({ ...parts, year }, value.offset, zone);
  // Without a year it is the last such day.
  const isAhead = !value.year && us > nowUs + DAY;
  return { us: isAhead ? instantOf({ ...parts, year: year - 1 }, value.offset, zone) : us, isZoned: Boolean(value.offset) };
}

/** A bare time of day is the last one that has been. */
function fromClock(found, { nowUs, zone }) {
  const [hour, minute, second] = [hourOf(found[1], found[5]), ...[found[2], found[3] ?? 0].map(Number)];
  if (hour > 23 || minute > 59 || second > 60) return null;
  const { year, month, day } = partsOf(nowUs, found[6] ? "utc" : zone);
  const at = (days) =>
    instantOf({ year, month, day: day + days, hour, minute, second, micro: micros(found[4]) }, found[6], zone);
  return { us: at(0) > nowUs ? at(-1) : at(0), isZoned: Boolean(found[6]) };
}

/**
 * The first time in a text, `{ us, isZoned }`, or null. A day with a time counts before seconds since 1970, and these
 * before a bare time of day.
 */
export function findTime(text, context) {
  let first = null;
  for (const [form, groups] of FORMS) {
    const found = form.exec(text);
    if (!found || (first && found.index >= first.index)) continue;
    const read = fromForm(found, groups, context);
    if (read) first = { ...read, index: found.index };
  }
  if (first) return first;
  const epoch = fromEpoch(EPOCH.exec(text)?.[1], context.nowUs);
  if (epoch !== null) return { us: epoch, isZoned: true };
  const clock = BARE_CLOCK.exec(text);
  return clock && fromClock(clock, context);
}

/** The time that a value of a record is, or null: a number since 1970, or any of the forms. */
export function readAnyTime(value, context) {
  if (value === undefined || value === null || value === "") return null;
  const epoch = fromEpoch(value, context.nowUs) ?? fromEpoch(String(value).replace(/\.0+$/, ""), context.nowUs);
  if (epoch !== null) return { us: epoch, isZoned: true };
  const exact = fromRfc(String(value).trim());
  return exact !== null ? { us: exact, isZoned: true } : findTime(String(value), context);
}
