/** Questions by a name, to be asked again: those that this browser keeps, and those that everybody is offered. */

import { html, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { Copy } from "../parts/copy.js";
import { usePageSettings } from "../page_settings.js";
import { say } from "../parts/toast.js";
import { setSetting, useSetting } from "../settings.js";
import { EMPTY, changeDraft, currentDraft } from "./draft.js";
import { linkOf } from "./link.js";

const MOST = 100;
const LONGEST_NAME = 80;

export function Saved() {
  const saved = useSetting("savedQueries") ?? [];
  const { queries: shared } = usePageSettings();
  const [naming, setNaming] = useState(null);
  const save = (event) => {
    event.preventDefault();
    const name = naming.trim().slice(0, LONGEST_NAME);
    if (!name) return;
    const others = saved.filter((one) => one.name !== name);
    setSetting("savedQueries", [{ name, draft: currentDraft() }, ...others].slice(0, MOST));
    setNaming(null);
    say(`Saved as “${name}” in this browser.`);
  };
  const take = (event) => {
    const [of, place] = event.target.value.split(" ");
    event.target.value = "";
    if (of === "own") changeDraft({ ...EMPTY, ...saved[place].draft });
    else if (of === "shared") changeDraft({ ...EMPTY, text: shared[place].query, when: { last: shared[place].last } });
  };
  if (naming !== null) {
    return html`
      <form class="together saved-name" onSubmit=${save}>
        <input aria-label="Name of the saved query" placeholder="Name" value=${naming} maxlength=${LONGEST_NAME}
          onInput=${(event) => setNaming(event.target.value)} ref=${(input) => input?.focus()} />
        <button type="submit" class="button is-small" disabled=${!naming.trim()}>Save</button>
        <${IconButton} icon="cross" label="Do not save" onClick=${() => setNaming(null)} />
      </form>
    `;
  }
  return html`
    ${
      saved.length + shared.length > 0 &&
      html`<select class="saved" aria-label="Saved queries" value="" onChange=${take}>
        <option value="">Saved queries</option>
        <${Group} word="In this browser" of="own" queries=${saved} />
        <${Group} word="For everybody" of="shared" queries=${shared} />
      </select>`
    }
    <button type="button" class="button is-small" onClick=${() => setNaming("")}><span>Save query</span></button>
    <${Copy} text=${() => linkOf(currentDraft())} icon="link" label="Copy a link that fills this form">Link<//>
    ${saved.length > 0 && html`<${Forget} saved=${saved} />`}
  `;
}

const Group = ({ word, of, queries }) =>
  queries.length > 0 &&
  html`<optgroup label=${word}>
    ${queries.map((one, at) => html`<option key=${one.name} value=${`${of} ${at}`}>${one.name}</option>`)}
  </optgroup>`;

function Forget({ saved }) {
  const forget = (event) => {
    const at = Number(event.target.value);
    event.target.value = "";
    setSetting("savedQueries", saved.filter((_, place) => place !== at));
  };
  return html`
    <select class="saved" aria-label="Remove a saved query" value="" onChange=${forget}>
      <option value="">Remove…</option>
      ${saved.map((one, at) => html`<option key=${one.name} value=${at}>${one.name}</option>`)}
    </select>
  `;
}
