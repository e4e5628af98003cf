/** The bytes of a packet, those of the selected field marked; a byte that is pressed selects its field. */

import { Component, html, names, useEffect, useMemo, useRef, useState } from "../dom.js";
import { counted } from "../figures.js";
import { useNarrow } from "./narrow.js";

const WIDE = 16;
const NARROW = 8;
const AT_FIRST = 4096;

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const digits = (value, width) => value.toString(16).padStart(width, "0");
const letter = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·");

/** `from` and `to` are what is marked; `at` is the byte that the keyboard is on. */
export function Hex({ buffer, from, to, onByte }) {
  const box = useRef(null);
  const width = useNarrow() ? NARROW : WIDE;
  const bytes = useMemo(() => bytesOf(buffer.hex), [buffer.hex]);
  const [all, setAll] = useState(false);
  const [at, setAt] = useState(null);
  const shown = all ? bytes.length : Math.min(bytes.length, Math.max(AT_FIRST, to));
  useEffect(() => {
    const first = box.current.querySelector(".is-marked");
    if (!first) return;
    const [line, frame] = [first.getBoundingClientRect(), box.current.getBoundingClientRect()];
    if (line.top < frame.top || line.bottom > frame.bottom) box.current.scrollTop += line.top - frame.top - 40;
  }, [from, to, buffer]);
  const go = (place) => {
    const next = Math.max(0, Math.min(bytes.length - 1, place));
    setAt(next);
    onByte(next);
  };
  const onKeyDown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go((at ?? from - (move > 0 ? 1 : 0)) + move);
  };
  const click = (event) => {
    const place = event.target.dataset?.at;
    if (place !== undefined) go(Number(place));
  };
  /** What is selected with the mouse is copied as bytes alone, without offsets and letters. */
  const onCopy = (event) => {
    const selection = getSelection();
    const cells = [...box.current.querySelectorAll(".hex-digits [data-at]")].filter((cell) => selection.containsNode(cell, true));
    if (!cells.length) return;
    event.clipboardData.setData("text/plain", cells.map((cell) => cell.textContent.trim()).join(" "));
    event.preventDefault();
  };
  const rows = [];
  for (let start = 0; start < shown; start += width) {
    const clamp = (place) => Math.min(width, Math.max(0, place - start));
    rows.push(html`<${HexLine} key=${start} bytes=${bytes} start=${start} width=${width}
      from=${clamp(from)} to=${clamp(to)} at=${at !== null && at >= start && at < start + width ? at : null} />`);
  }
  return html`
    <div class="hex" ref=${box} tabindex="0" role="group"
      aria-label=${`Bytes of ${buffer.name}; arrow keys go from byte to byte`} onKeyDown=${onKeyDown}
      onClick=${click} onCopy=${onCopy} onBlur=${() => setAt(null)}>
      ${rows}
      ${
        shown < bytes.length &&
        html`<button type="button" class="link" onClick=${() => setAll(true)}>
          Show ${counted(bytes.length - shown, "more byte")}</button>`
      }
    </div>
  `;
}

/** One line. Drawn again only when what is marked in it changes. */
class HexLine extends Component {
  shouldComponentUpdate(next) {
    return ["bytes", "width", "from", "to", "at"].some((name) => next[name] !== this.props[name]);
  }

  render({ bytes, start, width, from, to, at }) {
    const places = Array.from({ length: Math.min(width, bytes.length - start) }, (_, index) => index);
    const look = (index) => {
      const marked = index >= from && index < to;
      return names("", { "is-marked": marked, "is-at": start + index === at }) || undefined;
    };
    return html`
      <div class="hex-line">
        <span class="hex-at">${digits(start, 4)}</span>
        <span class="hex-digits">${places.map(
          (index) => html`<span key=${index} class=${look(index)} data-at=${start + index}>
            ${digits(bytes[start + index], 2)}</span>`,
        )}</span>
        <span class="hex-text" aria-hidden="true">${places.map(
          (index) => html`<span key=${index} class=${look(index)} data-at=${start + index}>
            ${letter(bytes[start + index])}</span>`,
        )}</span>
      </div>
    `;
  }
}
