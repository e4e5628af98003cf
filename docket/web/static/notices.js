/** What reaches a reader who looks elsewhere: progress in the tab's title, and a desktop notice if wanted. */

import { percent } from "./figures.js";
import { say } from "./parts/toast.js";
import { navigate } from "./route.js";
import { setSetting, settings } from "./settings.js";
import { store } from "./store.js";
import { headline, isFinal, progressOf } from "./words.js";

const NAME = "Docket";
const KEY = "docket.asked";
const MOST = 200;

let asked = new Set(read());
let pageTitle = "";

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

/** Remember that a job was asked from this tab: its progress is shown and its end announced. */
export function noticeFor(id) {
  asked = new Set([...asked, id].slice(-MOST));
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...asked]));
  } catch {
    // Then only until the page is closed.
  }
  drawTitle();
}

/** What the tab is called while none of its jobs runs. */
export function setPageTitle(title) {
  pageTitle = title;
  drawTitle();
}

function drawTitle() {
  const running = [...asked].map((id) => store.state.jobs.get(id)).filter((job) => job && !isFinal(job.state));
  const mean = running.reduce((sum, job) => sum + progressOf(job), 0) / (running.length || 1);
  const progress = running.length ? `${percent(mean)} · ` : "";
  document.title = progress + (pageTitle ? `${pageTitle} · ${NAME}` : NAME);
}

function tellEnd({ job, before, event }) {
  const ended = job && isFinal(job.state) && job.state !== "expired" && before && !isFinal(before.state);
  if (!ended || event === "snapshot" || !asked.has(job.id)) return;
  if (!settings().notices || !document.hidden || Notification.permission !== "granted") return;
  const notice = new Notification(headline(job), { body: job.query || "every packet", tag: job.id });
  notice.onclick = () => {
    focus();
    navigate("jobs/" + job.id);
    notice.close();
  };
}

/** The collector may still find fault with what the web app let through. */
function tellRejection({ event, job_id: id, reason }) {
  if (event === "job.rejected" && asked.has(id)) say(`Your question was rejected: ${reason}`, { tone: "bad" });
}

export function startNotices() {
  store.subscribe(drawTitle);
  store.watch(tellRejection);
  store.watch(tellEnd);
}

export const noticesPossible = () => "Notification" in window && isSecureContext;

/** Turn desktop notices on or off; resolves to whether they are on. The browser asks its user first. */
export async function switchNotices(on) {
  const granted = on && (await Notification.requestPermission()) === "granted";
  setSetting("notices", granted);
  return granted;
}
