/**
 * The one WebSocket. Resumes after the last sequence number it saw; waits longer after each failure, with
 * chance in it so that not all browsers meet a restarted server at once.
 */

import { address } from "./base.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** Sources speak every 10 s. A link that is silent for longer than this, while sources are online, is dead. */
const LONGEST_SILENCE_MS = 45_000;

export function keepConnected(store) {
  let socket = null;
  let failures = 0;
  let timer = null;

  function open() {
    clearTimeout(timer);
    const target = new URL(address("api/v1/events"));
    target.protocol = target.protocol.replace("http", "ws");
    if (store.state.seq != null) target.searchParams.set("since", store.state.seq);
    const mine = new WebSocket(target);
    socket = mine;
    mine.onopen = () => {
      failures = 0;
      store.setLink({ state: "live", lastHeard: Date.now(), retryAt: null });
    };
    mine.onmessage = (message) => store.receive(JSON.parse(message.data));
    mine.onclose = () => {
      if (socket === mine) waitAndOpen();
    };
  }

  function waitAndOpen() {
    socket = null;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
    const wait = longest * (0.5 + Math.random() / 2);
    failures += 1;
    store.setLink({ state: "lost", retryAt: Date.now() + wait });
    clearTimeout(timer);
    timer = setTimeout(open, wait);
  }

  function drop() {
    const old = socket;
    if (!old) return;
    socket = null;
    old.close();
    waitAndOpen();
  }

  function tryNow() {
    if (!socket) open();
  }

  function listenForSilence() {
    const silence = Date.now() - (store.state.link.lastHeard ?? Date.now());
    if (silence > LONGEST_SILENCE_MS && store.state.offline < store.state.names.length) drop();
  }

  addEventListener("online", tryNow);
  addEventListener("offline", drop);
  document.addEventListener("visibilitychange", () => document.hidden || tryNow());
  setInterval(listenForSilence, 5_000);
  open();
  return { tryNow };
}
