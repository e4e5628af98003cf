/** A tag of a job, which leads to all jobs that have it: those of the same alert or rule of `docket alerts`, say. */

import { html } from "../dom.js";
import { Link } from "../route.js";

const KINDS = [
  ["alert:", "Jobs for alerts of signature "],
  ["rule:", "Jobs of the rule "],
];

/** What the list of jobs with this tag is, in words. */
export function aboutTag(tag) {
  const [prefix, words] = KINDS.find(([known]) => tag.startsWith(known)) ?? ["", "Jobs with the tag "];
  return words + tag.slice(prefix.length);
}

export const TagLink = ({ tag, ...rest }) => html`
  <${Link} class="tag" to=${"?tag=" + encodeURIComponent(tag)} title=${aboutTag(tag)} ...${rest}>${tag}<//>
`;
