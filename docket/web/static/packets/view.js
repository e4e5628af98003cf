/**
 * What is looked at among the packets: filter, packet, stream, stretch of time. It stands in the address, so that a
 * link shows the same to others, and each step can be taken back.
 */

import { useCallback, useState } from "../dom.js";
import { setSearch, useSearch } from "../route.js";
import { fromRfc, toRfc } from "../time.js";

const STREAM = /^(tcp|udp|tls|http)-(\d{1,9})$/;
const PACKET = /^[1-9]\d{0,9}$/;
const SOURCE = /^[\w.@-]{1,63}:[\w.@-]{1,63}$/;
const DIRECTIONS = ["both", "first", "second"];
const FORMATS = ["text", "hex", "raw"];

/** The view that an address names. Pure. */
export function readView(search) {
  const stream = STREAM.exec(search.get("follow") ?? "");
  const packet = search.get("packet") ?? "";
  const [from, to] = [fromRfc(search.get("from")), fromRfc(search.get("to"))];
  const one = (name, known) => (known.includes(search.get(name)) ? search.get(name) : known[0]);
  return {
    filter: search.get("filter") ?? "",
    source: SOURCE.test(search.get("source") ?? "") ? search.get("source") : "",
    packet: PACKET.test(packet) ? Number(packet) : null,
    stream: stream && { protocol: stream[1], number: Number(stream[2]) },
    direction: one("who", DIRECTIONS),
    format: one("as", FORMATS),
    brush: from !== null && to > from ? { from, to } : null,
  };
}

/** The address of a view. Pure. */
export function writeView({ filter, source, packet, stream, direction, format, brush }) {
  const search = new URLSearchParams();
  const put = (name, value) => value && search.set(name, value);
  put("filter", filter);
  put("source", source);
  put("packet", packet);
  put("follow", stream && `${stream.protocol}-${stream.number}`);
  put("who", stream && direction !== DIRECTIONS[0] && direction);
  put("as", stream && format !== FORMATS[0] && format);
  put("from", brush && toRfc(brush.from));
  put("to", brush && toRfc(brush.to));
  return search;
}

/** Whether Back leads from the next view to this one: not while a brush is drawn, or the keys go from row to row. */
export function isStep(before, next) {
  const streamKey = ({ stream }) => stream && `${stream.protocol}-${stream.number}`;
  return (
    before.filter !== next.filter ||
    before.source !== next.source ||
    before.packet !== next.packet ||
    streamKey(before) !== streamKey(next) ||
    Boolean(before.brush) !== Boolean(next.brush)
  );
}

/** `[view, change]`; `change` takes what is to be different, and `{ quiet: true }` for what is no step of its own. */
export function useView() {
  const shown = readView(useSearch());
  const [refine, setRefine] = useState(null);
  const change = useCallback((news, { quiet = false } = {}) => {
    if ("refine" in news) setRefine(news.refine);
    const before = readView(new URLSearchParams(location.search));
    const next = { ...before, ...news };
    setSearch(writeView(next), !quiet && isStep(before, next));
  }, []);
  return [{ ...shown, refine }, change];
}

/** Both filters at once; the first may be empty. */
export const both = (one, other) => (one.trim() ? `(${one}) and (${other})` : other);

const TIMES = /frame\.time_epoch >= \d+\.\d{6} and frame\.time_epoch < \d+\.\d{6}/;

/** The filter, and a stretch of time, the end not included; it takes the place of one that stands there already. */
export function inTime(filter, { from, to }) {
  const times = `frame.time_epoch >= ${epoch(from)} and frame.time_epoch < ${epoch(to)}`;
  return TIMES.test(filter) ? filter.replace(TIMES, times) : both(filter, times);
}

const epoch = (us) => `${Math.floor(us / 1e6)}.${toRfc(us).slice(20, 26)}`;

/** "tcp 5" as what can be followed; null for an empty text. */
export function streamOf(text) {
  const found = /^(tcp|udp) (\d+)$/.exec(text ?? "");
  return found && { protocol: found[1], number: Number(found[2]) };
}

/** The text of a stream as others write it: "TCP 5". */
export const streamName = ({ protocol, number }) => `${protocol.toUpperCase()} stream ${number}`;

const SETTLED_MS = 1500;

/** Bring the list of packets into view, so that what a press elsewhere shows stands where one looks. */
export function revealPackets() {
  const panel = document.querySelector(".packets");
  if (!panel) return;
  const { top, height } = panel.getBoundingClientRect();
  const isSeen = top >= 0 && top + Math.min(height, 420) <= innerHeight;
  if (!isSeen) panel.scrollIntoView({ block: "start" });
}

/** The same once, and again while what stands above still grows, until a hand moves the page. */
export function revealPacketsAtFirst() {
  const until = performance.now() + SETTLED_MS;
  const stop = new AbortController();
  for (const name of ["wheel", "pointerdown", "keydown"]) addEventListener(name, () => stop.abort(), { signal: stop.signal });
  const look = () => {
    if (stop.signal.aborted) return;
    revealPackets();
    if (performance.now() < until) requestAnimationFrame(look);
    else stop.abort();
  };
  look();
}
