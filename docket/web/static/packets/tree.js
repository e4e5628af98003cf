/** The fields of a packet as a tree: which lines are drawn, and which field a byte belongs to. Pure. */

/** Gives each node a key (its way from the top) and a name by which it is the same in another packet. */
export function indexed(nodes, way = "", likeness = "", depth = 0) {
  return nodes.map((node, index) => {
    const key = way ? `${way}.${index}` : String(index);
    const like = `${likeness}/${node.name || node.text.split(/[:,(]/)[0]}`;
    return { ...node, key, like, depth, children: indexed(node.children, key, like, depth + 1) };
  });
}

/** The lines to be drawn, top to bottom. */
export const lines = (nodes, opened) =>
  nodes.flatMap((node) => [node, ...(opened.has(node.like) ? lines(node.children, opened) : [])]);

/** The node of a key, with those above it, outermost first. */
export function wayTo(nodes, key) {
  const way = [];
  let below = nodes;
  for (const index of key.split(".")) {
    const node = below[Number(index)];
    if (!node) break;
    way.push(node);
    below = node.children;
  }
  return way;
}

const covers = ({ buffer, start, length }, wanted, at) =>
  buffer === wanted && length > 0 && at >= start && at < start + length;

/** The smallest field that a byte belongs to, the deepest among equals; null if there is none. */
export function fieldAt(nodes, buffer, at) {
  let best = null;
  for (const node of nodes) {
    const inner = fieldAt(node.children, buffer, at);
    for (const found of [covers(node, buffer, at) ? node : null, inner]) {
      if (found && (!best || found.length <= best.length)) best = found;
    }
  }
  return best;
}
