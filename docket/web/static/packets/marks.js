/** Packets that were marked in this tab, job by job. */

import { useEffect, useState } from "../dom.js";

const MOST = 1000;
const listeners = new Set();
const key = (id) => `docket.marks.${id}`;

export function marksOf(id) {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(key(id))) ?? []);
  } catch {
    return new Set();
  }
}

/** Mark a packet, or take its mark away. */
export function toggleMark(id, number) {
  const marks = marksOf(id);
  if (!marks.delete(number)) marks.add(number);
  try {
    sessionStorage.setItem(key(id), JSON.stringify([...marks].slice(-MOST)));
  } catch {
    // Then there are no marks in this browser.
  }
  for (const listener of [...listeners]) listener();
}

export function useMarks(id) {
  const [marks, setMarks] = useState(() => marksOf(id));
  useEffect(() => {
    const listener = () => setMarks(marksOf(id));
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, [id]);
  return marks;
}

/** The display filter for these packets. */
export const filterOf = (marks) => `frame.number in {${[...marks].sort((a, b) => a - b).join(", ")}}`;
