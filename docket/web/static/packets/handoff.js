/** Bytes on their way to other programs: as hex, base64, C, text, as a command, or to a CyberChef. */

import { html, useState } from "../dom.js";
import { address } from "../base.js";
import { copyText } from "../parts/copy.js";
import { say, sayError } from "../parts/toast.js";
import { setSetting, useSetting } from "../settings.js";
import { counted } from "../figures.js";
import { usePageSettings } from "../page_settings.js";

const pairs = (hex) => hex.match(/../g) ?? [];
const bytesOf = (hex) => Uint8Array.from(pairs(hex), (pair) => Number.parseInt(pair, 16));

const base64 = (hex) => btoa(Array.from(bytesOf(hex), (byte) => String.fromCharCode(byte)).join(""));

/** Rows of 16 bytes as `xxd` and Wireshark's import understand them. */
function dump(hex) {
  const all = pairs(hex);
  return all
    .flatMap((_, at) => (at % 16 ? [] : [`${at.toString(16).padStart(6, "0")}  ${all.slice(at, at + 16).join(" ")}`]))
    .join("\n");
}

function inC(hex) {
  const all = pairs(hex).map((pair) => `0x${pair}`);
  const rows = all.flatMap((_, at) => (at % 12 ? [] : [`  ${all.slice(at, at + 12).join(", ")}`]));
  return `static const unsigned char bytes[${all.length}] = {\n${rows.join(",\n")}\n};\n`;
}

/** Printable characters; what is no UTF-8 is a dot. */
const asText = (hex) => new TextDecoder().decode(bytesOf(hex)).replace(/[^\P{C}\n\r\t]|\uFFFD/gu, ".");

/** What bytes can be copied as: name, word, and the text for them. Pure. */
export const FORMS = [
  ["hex", "Hex", (hex) => hex],
  ["spaced", "Hex with blanks", (hex) => pairs(hex).join(" ")],
  ["dump", "Hex dump", dump],
  ["base64", "Base64", base64],
  ["c", "C array", inC],
  ["text", "Text", asText],
];

/** For a caller outside of the page's components: the text of one form. */
export const copiedAs = (name, hex) => FORMS.find(([form]) => form === name)[2](hex);

/** A tshark command that shows one packet of a job's file. */
export const tsharkOf = (job, number) =>
  `curl -fs '${address(`api/v1/jobs/${job.id}/pcap`)}' | tshark -r - -Y 'frame.number == ${number}' -V -x`;

/** `hex` is what is selected, or the whole packet. */
export function CopyAs({ job, number, hex, what }) {
  const configured = usePageSettings().cyberchef ?? "";
  const chef = useSetting("cyberchef") || configured;
  const [asking, setAsking] = useState(false);
  const choose = async (event) => {
    const name = event.target.value;
    event.target.value = "";
    if (name === "chef") return setAsking(true);
    const text = name === "tshark" ? tsharkOf(job, number) : copiedAs(name, hex);
    await copyText(text).then(() => say(`Copied ${what}, ${counted(hex.length / 2, "byte")}.`), sayError);
    return undefined;
  };
  return html`
    <select class="copy-as" aria-label=${`Copy ${what} as`} value="" onChange=${choose}>
      <option value="">Copy as…</option>
      ${FORMS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}
      <option value="tshark">tshark command</option>
      <option value="chef">CyberChef address…</option>
    </select>
    ${asking && html`<${ChefAddress} chef=${chef} onDone=${() => setAsking(false)} />`}
    ${
      chef &&
      html`<a class="button is-small" target="_blank" rel="noopener noreferrer"
        href=${`${chef}#input=${encodeURIComponent(base64(hex))}&recipe=From_Base64('A-Za-z0-9%2B/%3D',true,false)`}>CyberChef</a>`
    }
  `;
}

/** Where the CyberChef of this house is; kept in this browser, and empty at first. */
function ChefAddress({ chef, onDone }) {
  const [text, setText] = useState(chef);
  const save = (event) => {
    event.preventDefault();
    if (text && !/^https?:\/\/[^\s'"<>]+$/.test(text)) return say("The address must begin with http:// or https://.", { tone: "warn" });
    setSetting("cyberchef", text);
    return onDone();
  };
  return html`
    <form class="together" onSubmit=${save}>
      <input aria-label="Address of CyberChef" placeholder="https://cyberchef.example/" value=${text}
        onInput=${(event) => setText(event.target.value.trim())} />
      <button type="submit" class="button is-small">Save</button>
    </form>
  `;
}
