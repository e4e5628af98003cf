/** The arithmetic of the plot of packets over time. Pure. */

import { DAY, HOUR, MIN, S } from "../time.js";

const MS = 1000;
const SHORTEST = 1 * MS;

/** Steps that the ends of a brush go by. */
const GRAINS = [1, 10, 100, MS, 10 * MS, 100 * MS, S, 10 * S, MIN, 10 * MIN, HOUR, DAY];

/** The stretch of time that the plot shows: all its buckets. */
export function stretchOf({ start_us: from, bucket_us: bucket, packets }) {
  const to = from + bucket * packets.length;
  const lack = Math.max(0, SHORTEST - (to - from));
  return { from: from - Math.ceil(lack / 2), to: to + Math.floor(lack / 2) };
}

/** How finely one can brush: the largest step of which at least 200 fit. */
export function grainOf({ from, to }) {
  return GRAINS.findLast((grain) => grain * 200 <= to - from) ?? 1;
}

/** Of a thousand: a bar is never too narrow to be seen. */
const NARROWEST = 3;

/** A path over a field one high: a step for each bucket, in the stretch's own measure from 0 to 1. */
export function outline(timeline, values, stretch, most) {
  const scale = 1000 / (stretch.to - stretch.from);
  const x = (index) => (timeline.start_us + index * timeline.bucket_us - stretch.from) * scale;
  const pieces = [];
  values.forEach((value, index) => {
    if (!value) return;
    const height = Math.max(0.02, value / most) * 100;
    const left = Math.min(x(index), 1000 - NARROWEST);
    const right = Math.max(x(index + 1), left + NARROWEST);
    const gap = values.length > 120 ? 0 : (right - left) * 0.1;
    pieces.push(`M${left.toFixed(2)} 100V${(100 - height).toFixed(2)}H${(right - gap).toFixed(2)}V100z`);
  });
  return pieces.join("");
}

/** What each source recorded, one on top of the other: `[{ name, path }]`, the largest at the bottom. */
export function layers(timeline, unit, stretch, most) {
  const scale = 1000 / (stretch.to - stretch.from);
  const x = (index) => (timeline.start_us + index * timeline.bucket_us - stretch.from) * scale;
  const base = timeline.packets.map(() => 0);
  return timeline.sources.map(({ name, [unit]: values }) => {
    const pieces = [];
    values.forEach((value, index) => {
      if (!value) return;
      const [low, high] = [base[index], base[index] + value].map((sum) => 100 - (sum / most) * 100);
      base[index] += value;
      const left = Math.min(x(index), 1000 - NARROWEST);
      const right = Math.max(x(index + 1), left + NARROWEST);
      const gap = values.length > 120 ? 0 : (right - left) * 0.1;
      pieces.push(`M${left.toFixed(2)} ${low.toFixed(2)}V${high.toFixed(2)}H${(right - gap).toFixed(2)}V${low.toFixed(2)}z`);
    });
    return { name, path: pieces.join("") };
  });
}

/** What lies in the buckets that a stretch touches: `{ packets, bytes }`. */
export function within(timeline, { from, to }) {
  const sum = (values) =>
    values.reduce((total, value, index) => {
      const begins = timeline.start_us + index * timeline.bucket_us;
      return begins < to && begins + timeline.bucket_us > from ? total + value : total;
    }, 0);
  return { packets: sum(timeline.packets), bytes: sum(timeline.bytes) };
}

/** A round number that is not less: 1, 2, 5, 10, 20 … */
export function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((step) => step * power).find((round) => round >= value);
}

/** "2 s", "500 ms", "5 min": the length of a bucket. */
export function bucketName(us) {
  for (const [unit, word] of [
    [HOUR, "h"],
    [MIN, "min"],
    [S, "s"],
    [MS, "ms"],
  ]) {
    if (us >= unit) return `${Number((us / unit).toFixed(2))} ${word}`;
  }
  return `${us} µs`;
}
