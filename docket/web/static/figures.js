/** Numbers as people read them. Pure. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const SIZE = /^\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?)b?\s*$/i;

/** 1234567 becomes "1,234,567". */
export const count = (number) => Math.round(number).toLocaleString("en-US");

/** "1 packet", "2 packets". */
export const counted = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/** Bytes with three figures: "842 B", "1.20 MB". */
export function size(bytes) {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return `${Math.round(value)} B`;
  return `${value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${UNITS[unit]}`;
}

/** Bytes from "2GB", "500 MB", "1.5 GiB" or a bare number; null if it is none of these. */
export function readSize(text) {
  const found = SIZE.exec(text);
  if (!found) return null;
  const power = "kmgtp".indexOf(found[2].toLowerCase()) + 1;
  return Math.round(Number(found[1]) * (found[3] && power ? 1024 : 1000) ** (found[2] ? power : 0));
}

/** A whole number from "1,000" or "1000"; null if it is none. */
export function readCount(text) {
  const plain = text.replaceAll(/[\s,]/g, "");
  return /^[0-9]{1,15}$/.test(plain) ? Number(plain) : null;
}

export const percent = (part) => `${Math.floor(part * 100)} %`;
