/** Sources as rows of a list: grouped by sensor, folded, searched. Pure. */

/** Up to so many sources stand there one by one. */
export const FEW = 8;
/** Up to so many that a search finds are shown without their groups being opened. */
const MOST_FOUND_OPEN = 60;

/** "rock01" of "rock01:em1". */
export const sensorOf = (name) => (name.includes(":") ? name.slice(0, name.indexOf(":")) : name);

/** The names that contain all words of a search. */
export function found(names, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length ? names.filter((name) => words.every((word) => name.toLowerCase().includes(word))) : names;
}

/**
 * Rows `{ key, name }` of sources and `{ key, sensor, names, open }` of groups, in the order of the first source of
 * each. `opened` are the sensors whose sources are shown. A sensor with one source needs no group.
 */
export function rowsOf(names, search, opened) {
  const shown = found(names, search);
  if (names.length <= FEW) return shown.map((name) => ({ key: name, name }));
  const groups = new Map();
  for (const name of shown) {
    const sensor = sensorOf(name);
    if (!groups.has(sensor)) groups.set(sensor, []);
    groups.get(sensor).push(name);
  }
  const all = search.trim() !== "" && shown.length <= MOST_FOUND_OPEN;
  return [...groups].flatMap(([sensor, members]) => {
    if (members.length === 1) return [{ key: members[0], name: members[0] }];
    const open = all || opened.has(sensor);
    const group = { key: `${sensor} `, sensor, names: members, open };
    return open ? [group, ...members.map((name) => ({ key: name, name, inGroup: true }))] : [group];
  });
}

/** Whether all ("all"), none ("none") or some ("some") of these are chosen; `chosen` null means every source. */
export function ticksOf(names, chosen) {
  if (!chosen) return "all";
  const number = names.reduce((sum, name) => sum + Number(chosen.has(name)), 0);
  return number === names.length ? "all" : number ? "some" : "none";
}

/** The choice after some were ticked or unticked: a list in the order of `all`, or null for all of them. */
export function chooseSome(all, chosen, names, wanted) {
  const next = new Set(chosen ?? all);
  for (const name of names) next[wanted ? "add" : "delete"](name);
  const list = all.filter((name) => next.has(name));
  return list.length === all.length ? null : list;
}
