/** Everything the page shows, as signals, and the two ways in which it changes: a snapshot and a delta. */

import { batch, computed, signal } from "@preact/signals";
import {
  type Alert,
  type Delta,
  type Gateway,
  isReal,
  type LiveMessage,
  type Movement,
  type Site,
  type Snapshot,
  type StockRow,
} from "./model";

/** As many movements as the server keeps for a newcomer; older ones are asked of the API. */
const MOVEMENTS_SHOWN = 50;

export type Connection = "connecting" | "live" | "lost" | "sign-in";

export const connection = signal<Connection>("connecting");
export const sites = signal<Site[]>([]);
export const gateways = signal<Gateway[]>([]);
export const alerts = signal<Alert[]>([]);
export const movements = signal<Movement[]>([]);
export const filter = signal("");

const stock = new Map<string, StockRow>();
const stockVersion = signal(0);

export function take(message: LiveMessage): void {
  batch(() => (message.type === "snapshot" ? replaceAll(message) : change(message)));
}

function replaceAll(snapshot: Snapshot): void {
  stock.clear();
  sites.value = snapshot.sites;
  gateways.value = snapshot.gateways;
  alerts.value = snapshot.alerts;
  movements.value = snapshot.movements.toReversed();
  putStock(snapshot.stock);
}

function change(delta: Delta): void {
  if (delta.sites) sites.value = delta.sites;
  if (delta.gateways) gateways.value = delta.gateways;
  if (delta.alerts) alerts.value = delta.alerts;
  if (delta.movements.length > 0) {
    const newest = delta.movements.toReversed();
    movements.value = [...newest, ...movements.value].slice(0, MOVEMENTS_SHOWN);
  }
  if (delta.stock.length > 0) putStock(delta.stock);
}

function putStock(rows: StockRow[]): void {
  for (const row of rows) {
    const key = `${row.site}\n${row.zone}\n${row.sku}`;
    if (row.net === 0) stock.delete(key);
    else stock.set(key, row);
  }
  stockVersion.value += 1;
}

/** Units by site and zone of the SKUs that the filter lets through. */
export interface Totals {
  byZone: Map<string, number>;
  skus: Set<string>;
}

export const zoneKey = (site: string, zone: string): string => `${site}\n${zone}`;

export const totals = computed<Totals>(() => {
  stockVersion.value;
  const wanted = filter.value.trim().toLowerCase();
  const byZone = new Map<string, number>();
  const skus = new Set<string>();
  for (const row of stock.values()) {
    if (wanted && !row.sku.toLowerCase().includes(wanted)) continue;
    const key = zoneKey(row.site, row.zone);
    byZone.set(key, (byZone.get(key) ?? 0) + row.net);
    skus.add(row.sku);
  }
  return { byZone, skus };
});

/** Every SKU with stock, for the filter's suggestions. */
export const skuCodes = computed<string[]>(() => {
  stockVersion.value;
  return [...new Set([...stock.values()].map((row) => row.sku))].sort();
});

/** The movements of the SKUs that the filter lets through, newest first. */
export const shownMovements = computed<Movement[]>(() => {
  const wanted = filter.value.trim().toLowerCase();
  if (!wanted) return movements.value;
  return movements.value.filter((movement) => movement.sku?.toLowerCase().includes(wanted));
});

export interface SiteTotals {
  site: Site;
  zones: { code: string; name: string; kind: string; units: number }[];
  onHand: number;
  inTransit: number;
}

/** In-transit stock is shown apart, that of other virtual zones not at all. */
export const siteTotals = computed<SiteTotals[]>(() => {
  const { byZone } = totals.value;
  return sites.value.map((site) => {
    const units = (zone: string) => byZone.get(zoneKey(site.code, zone)) ?? 0;
    const zones = site.zones.filter(isReal).map((zone) => ({ ...zone, units: units(zone.code) }));
    const transit = site.zones.filter((zone) => zone.kind === "in_transit");
    return {
      site,
      zones,
      onHand: zones.reduce((sum, zone) => sum + zone.units, 0),
      inTransit: transit.reduce((sum, zone) => sum + units(zone.code), 0),
    };
  });
});
