/** Where the application lives. This file lies in static/, which lies right below the base path. */

export const base = new URL("..", import.meta.url).pathname;

/** The path on this server of something below the base path. */
export const path = (below) => base + below;

/** The address to hand to other programs and people. */
export const address = (below) => new URL(base + below, location.origin).href;
