/** One job: what came of it, source by source, how it went, and the file. Each section is a component of its own. */

import { html, useEffect, useState } from "../dom.js";
import { api } from "../api.js";
import { Icon } from "../parts/icons.js";
import { setPageTitle } from "../notices.js";
import { Contents } from "../packets/section.js";
import { Link } from "../route.js";
import { store, useLive, useStore } from "../store.js";
import { stateOf } from "../words.js";
import { Headline } from "./headline.js";
import { Lanes } from "./lanes.js";
import { NextSteps } from "./next.js";
import { Question } from "./question.js";
import { Result } from "./result.js";
import { Story } from "./story.js";

export default function JobPage({ id }) {
  const job = useStore((state) => state.jobs.get(id));
  const error = useJob(id);
  useEffect(
    () => setPageTitle(job ? `${stateOf(job).word}: ${job.query || "every packet"}` : "Job"),
    [job?.state, job?.query],
  );
  if (!job) return html`<${Missing} id=${id} error=${error} />`;
  return html`
    <article class="job">
      <${Headline} job=${job} />
      <${NextSteps} job=${job} />
      <${Lanes} job=${job} />
      <${Contents} job=${job} />
      <div class="columns">
        <div class="column"><${Result} job=${job} /><${Question} job=${job} /></div>
        <${Story} job=${job} error=${error} />
      </div>
    </article>
  `;
}

/** Loads the job with its events, and again after each snapshot, since events may have been missed then. */
function useJob(id) {
  const [error, setError] = useState(null);
  const live = useLive();
  const retry = live && error?.status === 0;
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      try {
        store.putJob(await api.job(id, stop.signal));
        setError(null);
      } catch (problem) {
        if (!stop.signal.aborted) setError(problem);
      }
    };
    load();
    const unwatch = store.watch(({ event }) => event === "snapshot" && load());
    return () => {
      unwatch();
      stop.abort();
    };
  }, [id, retry]);
  return error;
}

function Missing({ id, error }) {
  if (!error) return html`<section class="panel"><p class="empty" role="status">Loading the job…</p></section>`;
  return html`
    <section class="panel">
      <p class="empty" role="alert">
        <${Icon} name="warn" /> ${error.status === 404 ? "There is no job " : "The job could not be loaded: "}
        ${error.status === 404 ? html`<code>${id}</code>. ` : error.message + " "}<${Link} to="">Go to the jobs<//>
      </p>
    </section>
  `;
}
