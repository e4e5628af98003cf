/** The head of every page: name, pages, and what the reader has chosen for all of them. */

import { html } from "../dom.js";
import { IconButton } from "./button.js";
import { path } from "../base.js";
import { Link } from "../route.js";
import { noticesPossible, switchNotices } from "../notices.js";
import { setSetting, useSetting, useZone } from "../settings.js";
import { store, useStore } from "../store.js";
import { zoneName } from "../time.js";
import { LinkState } from "./link.js";
import { say } from "./toast.js";

export function Header({ page, onHelp }) {
  const offline = useStore((state) => state.offline);
  const current = (name) => (page === name ? "page" : undefined);
  return html`
    <header class="top">
      <${Link} to="" class="brand">
        <img src=${path("static/favicon.svg")} alt="" width="22" height="22" /><span>Docket</span>
      <//>
      <nav aria-label="Pages">
        <${Link} to="" aria-current=${current("jobs")}>Ask and jobs<//>
        <${Link} to="sources" aria-current=${current("sources")}>Sources ${offline > 0 && html`<${Offline} count=${offline} />`}<//>
      </nav>
      <span class="grow"></span>
      <${LinkState} />
      <${Zone} />
      <${Notices} />
      <${Theme} />
      <${IconButton} icon="keyboard" label="Keyboard shortcuts (?)" onClick=${onHelp} />
    </header>
  `;
}

const Offline = ({ count }) => html`
  <span class="pill" title=${`${count} offline`}>${count}<span class="visually-hidden"> offline</span></span>
`;

function Zone() {
  const zone = useZone();
  const local = zoneName(store.now() * 1000, "local");
  const choice = (value, word, title) => html`
    <button type="button" class="segment" aria-pressed=${zone === value} title=${title}
      onClick=${() => setSetting("zone", value)}>${word}</button>
  `;
  return html`
    <div class="ranges" role="group" aria-label="Times are shown in">
      ${choice("utc", "UTC", "Times in UTC")}${choice("local", "Local", `Times in ${local}`)}
    </div>
  `;
}

const THEMES = { system: "light", light: "dark", dark: "system" };
const THEME_ICONS = { system: "system", light: "sun", dark: "moon" };

function Theme() {
  const theme = useSetting("theme");
  const change = () => {
    setSetting("theme", THEMES[theme]);
    dispatchEvent(new Event("docket-theme"));
  };
  const text = `Colours: ${theme === "system" ? "as the system" : theme}; change`;
  return html`<${IconButton} icon=${THEME_ICONS[theme]} label=${text} onClick=${change} />`;
}

function Notices() {
  const on = useSetting("notices");
  if (!noticesPossible()) return null;
  const change = async () => {
    const granted = await switchNotices(!on);
    if (!on && !granted) say("The browser does not allow notices for this site.", { tone: "warn" });
  };
  const text = on ? "Desktop notice when a job ends: on" : "Desktop notice when a job ends: off";
  return html`<${IconButton} icon="bell" look=${on ? "is-on" : ""} title=${text} label="Desktop notice when a job ends"
    aria-pressed=${on} onClick=${change} />`;
}
