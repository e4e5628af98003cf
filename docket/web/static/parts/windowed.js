/** A list of which only the rows in view are drawn, however many there are. All rows are equally high. */

import { useLayoutEffect, useRef, useState } from "../dom.js";

const MORE = 2;

/**
 * `{ box, first, last, top, onScroll, show }` of a scrolling element (`box` is its ref) that shows `inView` of `count`
 * rows: draw those from `first` to before `last`; `top` is the place of the upper edge in rows.
 */
export function useWindowed(count, inView) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const most = Math.max(0, count - inView);
  const at = Math.min(top, most);
  const first = Math.max(0, Math.floor(at) - MORE);
  const height = () => box.current.scrollHeight / Math.max(1, count);
  useLayoutEffect(() => {
    if (box.current && top > most) setTop(most);
  }, [most]);
  return {
    box,
    first,
    last: Math.min(count, Math.floor(at) + inView + MORE + 1),
    top: at,
    onScroll: () => box.current && setTop(box.current.scrollTop / height()),
    /** Bring a row into view. */
    show(place) {
      const wanted = place < at ? place : place > at + inView - 1 ? place - inView + 1 : null;
      if (wanted === null) return;
      box.current.scrollTop = wanted * height();
      setTop(Math.max(0, Math.min(wanted, most)));
    },
  };
}
