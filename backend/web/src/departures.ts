/** What left while no document at its door explained it, by load, and the word that settles a load. */

import { computed, signal } from "@preact/signals";
import { freshKey, get, post, Refusal } from "./api";
import type { Departure, Document, LiveMessage } from "./model";

/** Newest things that are asked for; older ones come as these are settled. */
const THINGS_ASKED = 200;

/** Things that leave by a door this close behind each other are one load. */
const LOAD_GAP_MS = 30_000;

/** A busy floor changes ten times a second; nobody reads that fast. */
const LOOK_EVERY_MS = 2_000;

/** So many of a site's newest documents of each kind are offered. */
const DOCUMENTS_OFFERED = 20;

/** States in which goods leave under a document. */
const LEAVING = new Set(["open", "allocated", "in_transit"]);

/** Things that left by one door together, newest first. */
export interface Load {
  site: string;
  portal: string;
  firstAt: string;
  lastAt: string;
  things: Departure[];
}

/** What things were: exactly one of the three. */
export type Word = { document: string } | { zone: string } | { lost: true };

export const departures = signal<Departure[]>([]);
export const offered = signal<Map<string, Document[]>>(new Map());

/** What was settled last, for whoever cannot see the list shrink. */
export const settled = signal("");

const SETTLED_SHOWN_MS = 20_000;

let settledShown: number | undefined;

export const loads = computed<Load[]>(() => loadsOf(departures.value));

/** The API's order is newest first, and stays so within each load. */
export function loadsOf(rows: Departure[]): Load[] {
  const found: Load[] = [];
  const latest = new Map<string, Load>();
  for (const thing of rows) {
    const door = `${thing.site}\n${thing.portal}`;
    const load = latest.get(door);
    if (load && Date.parse(load.firstAt) - Date.parse(thing.observed_at) <= LOAD_GAP_MS) {
      load.things.push(thing);
      load.firstAt = thing.observed_at;
      continue;
    }
    const { site, portal, observed_at: at } = thing;
    const fresh = { site, portal, firstAt: at, lastAt: at, things: [thing] };
    latest.set(door, fresh);
    found.push(fresh);
  }
  return found;
}

/** The one document under which goods leave a site now; none when there are several, or none. */
export function likely(documents: Document[]): Document | undefined {
  const leaving = documents.filter((one) => LEAVING.has(one.status));
  return leaving.length === 1 ? leaving[0] : undefined;
}

let lookedAt = Number.NEGATIVE_INFINITY;
let due: number | undefined;
let looks = 0;

/** Look again when a message may mean that something left, or that somebody settled what had. */
export function follow(message: LiveMessage): void {
  const left = message.movements.some((one) => one.direction === "out");
  const maybeSettled = departures.value.length > 0 && message.stock.length > 0;
  if (message.type === "snapshot" || message.alerts || left || maybeSettled) lookSoon();
}

function lookSoon(): void {
  if (due !== undefined) return;
  const wait = Math.max(0, lookedAt + LOOK_EVERY_MS - performance.now());
  due = window.setTimeout(() => {
    due = undefined;
    // A line that is gone is told at the top; the next message looks again.
    look().catch(() => undefined);
  }, wait);
}

async function look(): Promise<void> {
  lookedAt = performance.now();
  looks += 1;
  const mine = looks;
  const page = await get<{ rows: Departure[] }>(`departures?limit=${THINGS_ASKED}`);
  const sites = new Set(page.rows.map((one) => one.site));
  await Promise.all([...sites].map(offer));
  // An answer that was overtaken by a later one is old.
  if (mine === looks) departures.value = page.rows;
}

/** Ask which documents may have taken goods out of a site. */
export async function offer(site: string): Promise<void> {
  const where = `site=${encodeURIComponent(site)}&limit=${DOCUMENTS_OFFERED}`;
  const pages = await Promise.all(
    ["shipment", "transfer"].map((kind) =>
      get<{ rows: Document[] }>(`documents?kind=${kind}&${where}`),
    ),
  );
  const fitting = pages
    .flatMap((page) => page.rows)
    .filter((one) => one.site === site && one.status !== "cancelled")
    .sort((a, b) => Number(LEAVING.has(b.status)) - Number(LEAVING.has(a.status)));
  offered.value = new Map(offered.value).set(site, fitting);
}

/** Keys of words that may have reached the server without an answer: said again, they count once. */
const unanswered = new Map<string, string>();

/** Settle what left by a door within a span of time. Throws a Refusal that says why not. */
export async function settle(
  load: Pick<Load, "site" | "portal" | "firstAt" | "lastAt">,
  word: Word,
): Promise<void> {
  const { site, portal, firstAt, lastAt } = load;
  const body = { site, portal, first_at: firstAt, last_at: lastAt, ...word };
  const said = JSON.stringify(body);
  const key = unanswered.get(said) ?? freshKey();
  unanswered.set(said, key);
  try {
    const answer = await post<{ settled: number }>("departures/settle", key, body);
    tell(`${things(answer.settled)} at ${site} · ${portal} settled: ${meaning(word)}`);
  } catch (error) {
    if (!(error instanceof Refusal && error.answered)) throw error;
    unanswered.delete(said);
    throw error;
  }
  unanswered.delete(said);
  await look().catch(lookSoon);
}

function tell(what: string): void {
  settled.value = what;
  window.clearTimeout(settledShown);
  settledShown = window.setTimeout(() => {
    settled.value = "";
  }, SETTLED_SHOWN_MS);
}

export const things = (count: number): string => `${count} ${count === 1 ? "thing" : "things"}`;

function meaning(word: Word): string {
  if ("document" in word) return `went with ${word.document}`;
  return "zone" in word ? `never left, in ${word.zone}` : "lost, written off";
}
