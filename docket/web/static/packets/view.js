/**
 * What is looked at among the packets: filter, packet, stream, stretch of time. It stands in the address too, so that
 * a link shows the same to others.
 */

import { useCallback, useState } from "../dom.js";
import { toRfc } from "../time.js";

const STREAM = /^(tcp|udp|tls|http)-(\d{1,9})$/;
const PACKET = /^[1-9]\d{0,9}$/;

function read() {
  const search = new URLSearchParams(location.search);
  const stream = STREAM.exec(search.get("follow") ?? "");
  const packet = search.get("packet") ?? "";
  return {
    filter: search.get("filter") ?? "",
    packet: PACKET.test(packet) ? Number(packet) : null,
    stream: stream && { protocol: stream[1], number: Number(stream[2]) },
    brush: null,
    refine: null,
  };
}

function write({ filter, packet, stream }) {
  const search = new URLSearchParams();
  if (filter) search.set("filter", filter);
  if (packet) search.set("packet", packet);
  if (stream) search.set("follow", `${stream.protocol}-${stream.number}`);
  const text = search.toString();
  history.replaceState(history.state, "", location.pathname + (text && "?" + text));
}

/** `[view, change]`; `change` takes what is to be different. */
export function useView() {
  const [view, setView] = useState(read);
  const change = useCallback((news) => {
    setView((before) => {
      const next = { ...before, ...news };
      write(next);
      return next;
    });
  }, []);
  return [view, change];
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
