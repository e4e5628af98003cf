/** Whether a source is there, in a word, an icon and a tone. */

export const HEALTH = {
  online: { word: "Online", icon: "check", tone: "good" },
  offline: { word: "Offline", icon: "unplug", tone: "bad" },
};
