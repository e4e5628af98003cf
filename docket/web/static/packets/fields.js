/** The dissection of a packet: a tree for mouse and keyboard. */

import { html, names, useEffect, useRef } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { lines, wayTo } from "./tree.js";

/** `selected` is the key of a node; `opened` are the likenesses of those whose children are shown. */
export function Fields({ tree, selected, opened, onSelect, onOpen }) {
  const box = useRef(null);
  const shown = lines(tree, opened);
  const at = shown.findIndex((node) => node.key === selected);
  useEffect(() => {
    if (!selected) return;
    const line = box.current.querySelector('[aria-selected="true"]');
    if (!line) return;
    const [{ top, bottom }, frame] = [line.getBoundingClientRect(), box.current.getBoundingClientRect()];
    if (top < frame.top) box.current.scrollTop += top - frame.top;
    else if (bottom > frame.bottom) box.current.scrollTop += bottom - frame.bottom;
  }, [selected, tree]);

  const keys = {
    ArrowDown: () => onSelect(shown[Math.min(shown.length - 1, at + 1)]),
    ArrowUp: () => onSelect(shown[Math.max(0, at - 1)]),
    Home: () => onSelect(shown[0]),
    End: () => onSelect(shown[shown.length - 1]),
    ArrowRight: (node) => {
      if (!node?.children.length) return;
      if (opened.has(node.like)) onSelect(node.children[0]);
      else onOpen(node, true);
    },
    ArrowLeft: (node) => {
      if (!node) return;
      if (node.children.length && opened.has(node.like)) onOpen(node, false);
      else onSelect(wayTo(tree, node.key).at(-2) ?? node);
    },
    Enter: (node) => node?.children.length && onOpen(node, !opened.has(node.like)),
  };
  const onKeyDown = (event) => {
    const run = keys[event.key === " " ? "Enter" : event.key];
    if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    run(shown[at]);
  };
  const click = (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    const node = key && wayTo(tree, key).at(-1);
    if (!node) return;
    onSelect(node);
    if (event.target.closest(".twist") || event.detail === 2) onOpen(node, !opened.has(node.like));
  };
  return html`
    <ul class="dissection" ref=${box} role="tree" tabindex="0" aria-label="Dissection" onKeyDown=${onKeyDown}
      onClick=${click} aria-activedescendant=${at >= 0 ? `field-${selected}` : undefined}>
      ${shown.map((node) => {
        const isOpen = node.children.length > 0 && opened.has(node.like);
        return html`
          <li key=${node.key} id=${`field-${node.key}`} data-key=${node.key} role="treeitem"
            aria-level=${node.depth + 1}
            aria-expanded=${node.children.length ? isOpen : undefined} aria-selected=${node.key === selected}
            class=${names("field-line", { "is-layer": node.depth === 0 })} style=${{ "--depth": node.depth }}>
            <span class="twist" aria-hidden="true">
              ${node.children.length > 0 && html`<${Icon} name="chevron" />`}</span>
            <span class="stranger">${node.text}</span>
          </li>
        `;
      })}
    </ul>
  `;
}
