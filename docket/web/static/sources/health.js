/** Whether a source is there and answers, in a word, an icon and a tone. Pure. */

export const HEALTH = {
  online: { word: "Online", icon: "check", tone: "good" },
  faulty: { word: "Not well", icon: "warn", tone: "bad" },
  offline: { word: "Offline", icon: "unplug", tone: "bad" },
};

/** One whose worker is there may have a store that does not answer it. */
export function healthOf(source) {
  if (source.state !== "online") return HEALTH.offline;
  return source.error ? HEALTH.faulty : HEALTH.online;
}
