/** What the API tells about the packets of one finished job. What comes from packets is hostile text. */

import { send } from "../api.js";
import { path } from "../base.js";

const below = (id, rest) => `jobs/${encodeURIComponent(id)}/${rest}`;

const search = (values) => {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== "" && value != null) found.set(name, value);
  return found.toString();
};

const get = async (id, rest, signal) => (await send("GET", below(id, rest), null, signal)).answer;

export const packets = {
  summary: (id, signal) => get(id, "summary", signal),
  /** One page of the list, `{ filter, source, offset, limit }`; `filter` is a display filter in Wireshark's words. */
  page: (id, wanted, signal) => get(id, `packets?${search(wanted)}`, signal),
  /** One page of the conversations: `{ text, sort, by, offset, limit }`. */
  conversations: (id, wanted, signal) => get(id, `conversations?${search(wanted)}`, signal),
  /** DNS, TLS and HTTP, counted; `state` is "working" while they are. */
  transactions: (id, signal) => get(id, "transactions", signal),
  /** Decode as and the number of TLS keys; `dissect` sets them for everybody. */
  dissection: (id, signal) => get(id, "dissection", signal),
  dissect: async (id, wanted) => (await send("POST", below(id, "dissection"), wanted)).answer,
  /** The files that were transferred; `state` is "working" while they are taken out. */
  objects: (id, signal) => get(id, "objects", signal),
  /** One packet; `exact` reads the file from its beginning, however long that takes. */
  detail: (id, number, exact, signal) => get(id, `packets/${number}${exact ? "?exact=1" : ""}`, signal),
  /** One page of a stream: `{ protocol, number, direction, format, offset }`. */
  stream: (id, { number, ...how }, signal) => get(id, `streams/${number}?${search(how)}`, signal),
  /** The new job, and whether it is one: the same part of the same result is answered with its job. */
  async refine(id, order) {
    const { status, answer } = await send("POST", below(id, "refine"), order);
    return { job: answer, isNew: status === 201 };
  },
};

/** Where a stream is saved from. */
export const transcriptPath = (id, { number, ...how }) =>
  path(`api/v1/${below(id, `streams/${number}?${search({ ...how, download: 1 })}`)}`);

export const conversationsCsvPath = (id, wanted) =>
  path(`api/v1/${below(id, `conversations?${search({ ...wanted, format: "csv" })}`)}`);

/** One file, or all of them, in a zip with a password. */
export const objectPath = (id, number) => path(`api/v1/${below(id, `objects/${number}?zip=1`)}`);
export const archivePath = (id) => path(`api/v1/${below(id, "objects?download=1")}`);

export const pcapngPath = (id) => path(`api/v1/${below(id, "pcapng")}`);
