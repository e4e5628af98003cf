/** The start: connects, draws the frame and the page that the address names. */

import { html, render, useEffect, useState } from "./dom.js";
import { Header } from "./parts/header.js";
import { Confirmation } from "./parts/dialog.js";
import { LostBanner } from "./parts/link.js";
import { Shortcuts, focusPackets, useShortcuts } from "./parts/shortcuts.js";
import { Toasts } from "./parts/toast.js";
import { Link, readRoute, useRoute } from "./route.js";
import { setPageTitle, startNotices } from "./notices.js";
import { keepConnected } from "./socket.js";
import { store } from "./store.js";

const connection = keepConnected(store);
startNotices();

function App() {
  const route = useRoute();
  const [helping, setHelping] = useState(false);
  useShortcuts(() => setHelping(true));
  return html`
    <a class="skip" href="#main" onClick=${toContent}>Skip to the content</a>
    ${route.page === "job" && html`<a class="skip" href="#packets" onClick=${toPackets}>Skip to the packets</a>`}
    <${Header} page=${route.page} onHelp=${() => setHelping(true)} />
    <${LostBanner} onTry=${connection.tryNow} />
    <main id="main" tabindex="-1"><${Page} route=${route} /></main>
    <${Toasts} />
    <${Confirmation} />
    ${helping && html`<${Shortcuts} onClose=${() => setHelping(false)} />`}
  `;
}

/** By hand, since a bare fragment would be taken as relative to the base of all links. */
function toContent(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function toPackets(event) {
  event.preventDefault();
  focusPackets();
}

/** Each page is loaded when it is first gone to. */
const PAGES = {
  jobs: () => import("./jobs/page.js"),
  job: () => import("./job/page.js"),
  sources: () => import("./sources/page.js"),
  unknown: async () => ({ default: NotFound }),
};

/** The first page is asked for at once, not after the frame is drawn. */
PAGES[readRoute().page]().catch(() => null);

function Page({ route }) {
  const [loaded, setLoaded] = useState({});
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (loaded[route.page]) return;
    setFailed(false);
    PAGES[route.page]().then(
      (module) => setLoaded((before) => ({ ...before, [route.page]: module.default })),
      () => setFailed(true),
    );
  }, [route.page]);
  const Shown = loaded[route.page];
  if (Shown) return html`<${Shown} key=${route.page + route.id} id=${route.id} />`;
  const text = failed ? "This page could not be loaded. Reload to try again." : "Loading…";
  return html`<p class="empty" role="status">${text}</p>`;
}

function NotFound() {
  useEffect(() => setPageTitle("Not found"), []);
  return html`
    <section class="panel"><p class="empty">There is no such page. <${Link} to="">Go to the jobs<//></p></section>
  `;
}

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
