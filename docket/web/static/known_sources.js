/** The sources that the browser knows. What a message costs does not depend on how many sources there are. Pure. */

const SAMPLES_OF_ONE = 120;
const SAMPLES_OF_ALL = 12_000;
const FEWEST_SAMPLES = 6;
const MOST_ERRORS = 5;

export class KnownSources {
  constructor() {
    this.all = new Map();
    /** Their names as the server lists them; another array only when one comes or goes. */
    this.names = [];
    this.offline = 0;
    /** Online, but their store does not answer. */
    this.faulty = 0;
    /** Another number whenever a source comes, goes, or is well or not well from now on. */
    this.presence = 0;
    this.samples = new Map();
    this.errors = new Map();
  }

  /** Take the whole list of a snapshot. */
  replace(list) {
    const names = list.map((source) => source.name);
    const wanted = new Set(names);
    for (const name of [...this.all.keys()]) if (!wanted.has(name)) this.all.delete(name);
    list.forEach((source) => this.#put(source));
    if (names.length !== this.names.length || names.some((name, at) => name !== this.names[at])) this.names = names;
    this.offline = list.filter(isOffline).length;
    this.faulty = list.filter(isFaulty).length;
    this.presence += 1;
  }

  /** Take the news of one source. */
  keep(source) {
    const before = this.all.get(source.name);
    const wasFaulty = before !== undefined && isFaulty(before);
    this.#put(source);
    this.offline += Number(isOffline(source)) - Number(before !== undefined && isOffline(before));
    this.faulty += Number(isFaulty(source)) - Number(wasFaulty);
    if (!before) this.names = [...this.names, source.name];
    if (before?.state !== source.state || wasFaulty !== isFaulty(source)) this.presence += 1;
  }

  /** One that is asked no more. */
  forget(name) {
    const before = this.all.get(name);
    if (!before) return;
    for (const known of [this.all, this.samples, this.errors]) known.delete(name);
    this.names = this.names.filter((one) => one !== name);
    this.offline -= Number(isOffline(before));
    this.faulty -= Number(isFaulty(before));
    this.presence += 1;
  }

  #put(source) {
    this.all.set(source.name, source);
    this.#keepError(source);
    this.#keepSample(source);
  }

  #keepSample({ name, last_seen: seen, stats }) {
    const samples = this.samples.get(name) ?? [];
    if (samples.at(-1)?.seen === seen) return;
    samples.push({ seen, at: Date.parse(seen), stats: stats ?? {} });
    if (samples.length > mostSamples(this.all.size)) samples.shift();
    this.samples.set(name, samples);
  }

  #keepError({ name, error, last_seen: at }) {
    const errors = this.errors.get(name) ?? [];
    if (error && errors[0]?.text !== error)
      this.errors.set(name, [{ at, text: error }, ...errors].slice(0, MOST_ERRORS));
  }
}

const isOffline = (source) => source.state !== "online";
const isFaulty = (source) => source.state === "online" && Boolean(source.error);

const mostSamples = (sources) => Math.max(FEWEST_SAMPLES, Math.min(SAMPLES_OF_ONE, SAMPLES_OF_ALL / sources));
