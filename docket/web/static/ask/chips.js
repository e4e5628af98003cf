/** A field that holds several values as chips. Takes one value, or a pasted list of them. */

import { html, names, useId, useRef, useState } from "../dom.js";
import { Icon } from "../parts/icons.js";

const SEPARATORS = /[\s,;]+/;

const listOf = (text) => text.trim().split(SEPARATORS).filter(Boolean);

/**
 * `field` is `{ values: [{ text, at }], any }`; `onChange` gets the new one. `faultAt` are places in the query
 * text that are at fault. With `sides` each value can be negated and bound to one direction. From `anyFrom` values on, any of them is meant: no packet has three addresses.
 */
export function Chips({ kind, label, placeholder, field, onChange, faultAt = [], anyFrom = Infinity, sides = false }) {
  const [text, setText] = useState("");
  const input = useRef(null);
  const id = useId();
  const texts = field.values.map((value) => value.text);

  const add = (values) => {
    const fresh = values.filter((value, index) => !texts.includes(value) && values.indexOf(value) === index);
    setText("");
    if (!fresh.length) return;
    const all = [...field.values, ...fresh.map((value) => ({ text: value }))];
    onChange({ values: all, any: field.any || all.length >= anyFrom });
  };
  const setAny = (any) => onChange({ ...field, any });
  const remove = (index) => {
    const values = field.values.filter((_, at) => at !== index);
    onChange({ values, any: field.any && values.length > 1 });
    input.current.focus();
  };
  const turn = (at, news) =>
    onChange({ ...field, values: field.values.map((value, index) => (index === at ? { ...value, ...news } : value)) });
  const onKeyDown = (event) => {
    if (
      (event.key === "Enter" && !event.ctrlKey && !event.metaKey && text.trim()) ||
      event.key === "," ||
      event.key === " "
    ) {
      event.preventDefault();
      add(listOf(text));
    } else if (event.key === "Backspace" && !text && texts.length) {
      event.preventDefault();
      remove(texts.length - 1);
    }
  };
  const onPaste = (event) => {
    const pasted = event.clipboardData.getData("text/plain");
    if (listOf(pasted).length < 2 || event.defaultPrevented) return;
    event.preventDefault();
    add(listOf(text + pasted));
  };

  return html`
    <div class=${`field is-${kind}`}>
      <label for=${id}>${label}</label>
      <div class="chip-box" onClick=${(event) => event.target === event.currentTarget && input.current.focus()}>
        ${field.values.map(
          (value, index) => html`
            <span class=${names("chip", { "is-faulty": faultAt.includes(value.at), "is-not": value.not })} key=${value.text}>
              ${index > 0 && html`<span class="visually-hidden">${field.any ? "or" : "and"}</span>`}
              ${sides && html`<${Turns} label=${label} value=${value} onChange=${(news) => turn(index, news)} />`}
              <span>${value.text}</span>
              <button type="button" aria-label=${`Remove ${label} ${value.text}`} onClick=${() => remove(index)}>
                <${Icon} name="cross" />
              </button>
            </span>
          `,
        )}
        <input id=${id} ref=${input} value=${text} placeholder=${texts.length ? "" : placeholder}
          autocomplete="off" autocapitalize="off" spellcheck=${false} onInput=${(event) => setText(event.target.value)}
          onKeyDown=${onKeyDown} onPaste=${onPaste} onBlur=${() => text.trim() && add(listOf(text))} />
        ${field.values.filter((value) => !value.not).length > 1 && html`<${AnyOrAll} label=${label} any=${field.any} onChange=${setAny} />`}
      </div>
    </div>
  `;
}

const NEXT_SIDE = { "": "src", src: "dst", dst: "" };
const SIDE_WORDS = { "": "either side", src: "source", dst: "destination" };

/** Whether a packet must not match the value, and on which side it must. */
function Turns({ label, value, onChange }) {
  const side = value.side ?? "";
  return html`
    <button type="button" class="turn" aria-pressed=${Boolean(value.not)} title="Packets that do not match this"
      aria-label=${`${label} ${value.text}: not`} onClick=${() => onChange({ not: !value.not })}>${value.not ? "not" : "≠"}</button>
    <button type="button" class=${names("turn", { "is-set": side })} title=${`${SIDE_WORDS[side]}; press for ${SIDE_WORDS[NEXT_SIDE[side]]}`}
      aria-label=${`${label} ${value.text}: ${SIDE_WORDS[side]}; change`}
      onClick=${() => onChange({ side: NEXT_SIDE[side] })}>${side || "⇄"}</button>
  `;
}

function AnyOrAll({ label, any, onChange }) {
  return html`
    <button type="button" class="any-all" onClick=${() => onChange(!any)}
      title="Whether a packet must match any or all of these"
      aria-label=${`${label}: ${any ? "any of them" : "all of them"}; change`}>
      ${any ? "any of" : "all of"}
    </button>
  `;
}
