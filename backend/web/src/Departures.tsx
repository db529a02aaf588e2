import { useState } from "preact/hooks";
import {
  type Load,
  likely,
  loads,
  offer,
  offered,
  settle,
  settled,
  things,
  type Word,
} from "./departures";
import { formatClock, shortEpc } from "./format";
import { type Departure, type Document, isReal } from "./model";
import { sites } from "./state";

/** More than these would push the stock off the screen; the next ones come as these are settled. */
const LOADS_SHOWN = 3;

/** How the identity of a pallet or case begins: its GS1 application identifier. */
const SSCC = "(00)";

export function Departures() {
  const waiting = loads.value;
  if (waiting.length === 0 && !settled.value) return null;
  const hidden = waiting.length - LOADS_SHOWN;
  return (
    <section class="card departures" aria-label="Left without a document">
      <h2>Left without a document</h2>
      <output id="settled" tabIndex={-1}>
        {settled.value}
      </output>
      <ul>
        {waiting.slice(0, LOADS_SHOWN).map((load) => (
          <LoadRow key={`${load.site}/${load.portal}/${load.firstAt}`} load={load} />
        ))}
      </ul>
      {hidden > 0 && <p class="place">and {hidden} more</p>}
    </section>
  );
}

function LoadRow({ load }: { load: Load }) {
  const documents = offered.value.get(load.site) ?? [];
  const [chosen, choose] = useState<string>();
  const [refused, refuse] = useState("");
  const [busy, beBusy] = useState(false);
  const answer = chosen ?? presumed(documents);
  const say = async (span: Pick<Load, "site" | "portal" | "firstAt" | "lastAt">) => {
    const word = wordOf(answer);
    if (!word || busy) return;
    beBusy(true);
    refuse("");
    try {
      await settle(span, word);
      document.getElementById("settled")?.focus();
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
    } finally {
      beBusy(false);
    }
  };
  return (
    <li data-door={`${load.site}/${load.portal}`}>
      <form
        class="load"
        onSubmit={(event) => {
          event.preventDefault();
          void say(load);
        }}
      >
        <span class="name">{things(load.things.length)}</span>
        <span class="place" title={contents(load.things)}>
          {load.site} · {load.portal} · {contents(load.things)}
        </span>
        <time dateTime={load.lastAt}>{span(load)}</time>
        <Choice load={load} documents={documents} answer={answer} choose={choose} />
        <button type="submit" disabled={!answer || busy}>
          Settle
        </button>
      </form>
      {refused && <p role="alert">{refused}</p>}
      {load.things.length > 1 && (
        <details>
          <summary>One by one</summary>
          <ul>
            {load.things.map((thing) => (
              <ThingRow
                key={`${thing.identity}${thing.epc}${thing.observed_at}`}
                thing={thing}
                disabled={!answer || busy}
                settleIt={() =>
                  say({ ...load, firstAt: thing.observed_at, lastAt: thing.observed_at })
                }
              />
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

function Choice(props: {
  load: Load;
  documents: Document[];
  answer: string;
  choose: (answer: string) => void;
}) {
  const { load, documents, answer, choose } = props;
  const site = sites.value.find((one) => one.code === load.site);
  return (
    <label>
      <span class="unseen">
        What left {load.site} by {load.portal}
      </span>
      <select
        value={answer}
        onFocus={() => void offer(load.site).catch(() => undefined)}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        <option value="">What was it?</option>
        {documents.length > 0 && (
          <optgroup label="It went with">
            {documents.map((one) => (
              <option key={one.code} value={`document ${one.code}`}>
                {one.kind} {one.code} ({one.status.replaceAll("_", " ")})
              </option>
            ))}
          </optgroup>
        )}
        <optgroup label="It never left, and is in">
          {site?.zones.filter(isReal).map((zone) => (
            <option key={zone.code} value={`zone ${zone.code}`}>
              {zone.name || zone.code}
            </option>
          ))}
        </optgroup>
        <optgroup label="It is gone">
          <option value="lost">lost: write it off</option>
        </optgroup>
      </select>
    </label>
  );
}

function ThingRow(props: { thing: Departure; disabled: boolean; settleIt: () => void }) {
  const { thing, disabled, settleIt } = props;
  const name = thing.epc ? shortEpc(thing.epc) : (thing.identity ?? "");
  return (
    <li class="thing">
      <span title={thing.epc ?? ""}>{name}</span>
      <span class="place">{thing.sku ?? thing.identity ?? ""}</span>
      <time dateTime={thing.observed_at}>{formatClock(thing.observed_at)}</time>
      <button
        type="button"
        class="quiet"
        disabled={disabled}
        aria-label={`Settle ${name} alone`}
        onClick={settleIt}
      >
        Settle
      </button>
    </li>
  );
}

function presumed(documents: Document[]): string {
  const one = likely(documents);
  return one ? `document ${one.code}` : "";
}

/** The word that a choice stands for; none for none. */
function wordOf(answer: string): Word | undefined {
  const [what, code] = answer.split(" ", 2);
  if (what === "lost") return { lost: true };
  if (!code) return undefined;
  return what === "zone" ? { zone: code } : { document: code };
}

/** `12 × SHIRT, 1 × pallet`: units by SKU, and what holds none itself. */
function contents(all: Departure[]): string {
  const units = new Map<string, number>();
  for (const thing of all) {
    const name = thing.sku ?? (thing.identity?.startsWith(SSCC) ? "pallet" : "unknown");
    units.set(name, (units.get(name) ?? 0) + (thing.sku ? thing.quantity : 1));
  }
  return [...units].map(([name, count]) => `${count} × ${name}`).join(", ");
}

function span(load: Load): string {
  const [first, last] = [formatClock(load.firstAt), formatClock(load.lastAt)];
  return first === last ? last : `${first} – ${last}`;
}
