/** Whether the page is as narrow as on a telephone, where rows become cards. */

import { useLayoutEffect, useState } from "../dom.js";

const narrow = matchMedia("(max-width: 56rem)");

export function useNarrow() {
  const [is, set] = useState(narrow.matches);
  useLayoutEffect(() => {
    const changed = () => set(narrow.matches);
    narrow.addEventListener("change", changed);
    return () => narrow.removeEventListener("change", changed);
  }, []);
  return is;
}
