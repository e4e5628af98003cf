/** Links to other programs beside a value: an address, a port, a name, a hash. The configuration names them. */

import { html } from "../dom.js";
import { usePageSettings } from "../page_settings.js";

/** The link of an action for a value. Pure. */
export const linkFor = (action, value) => action.url.replaceAll("{value}", encodeURIComponent(value));

/** Nothing where no action is configured for this kind of value. */
export function ValueActions({ kind, value }) {
  const { actions } = usePageSettings();
  const fitting = value === "" || value == null ? [] : actions.filter((action) => action.for.includes(kind));
  return fitting.map(
    (action) => html` <a class="value-action" key=${action.name} tabindex="-1" target="_blank" rel="noopener noreferrer"
      href=${linkFor(action, value)} title=${`${action.name}: ${value}`}>${action.name}</a>`,
  );
}

const ADDRESS = /(^|\.)(addr|src|dst|host|src_host|dst_host|a|aaaa)$/;
const PORT = /\.(src|dst)?port$/;
const NAME = /^(dns\.(qry|resp)\.name|http\.host|http2\.headers\.authority|tls\.handshake\.extensions_server_name)$/;
const HASH = /\.ja[34]s?$/;

/** The kind and the value of a field of a packet, from the filter for it; null if it is none of these. Pure. */
export function valueOf({ name = "", filter = "" }) {
  const value = /==\s*"?([^"]*?)"?$/.exec(filter)?.[1];
  if (!value) return null;
  if (NAME.test(name)) return { kind: "name", value };
  if (PORT.test(name)) return { kind: "port", value };
  if (HASH.test(name)) return { kind: "hash", value };
  return ADDRESS.test(name) && /^[0-9a-f.:]+$/i.test(value) ? { kind: "address", value } : null;
}
