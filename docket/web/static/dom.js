/** The view library, in one place: nothing else imports from vendor/. Text always becomes text nodes. */

import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export { Component, render } from "./vendor/preact.mjs";
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.mjs";

export const html = htm.bind(h);

/** Class names from a mapping: `names("row", { "is-open": open })`. */
export function names(first, more = {}) {
  return [first, ...Object.keys(more).filter((name) => more[name])].filter(Boolean).join(" ");
}
