/** What the live WebSocket says (backend/live/protocol.py): a snapshot first, then deltas. And what the API answers. */

export interface Zone {
  code: string;
  name: string;
  kind: string;
}

/** Virtual zones stand for what is outside the house. */
const VIRTUAL = new Set([
  "supplier",
  "customer",
  "in_transit",
  "scrap",
  "vendor",
  "count_difference",
  "unknown",
]);

export const isReal = (zone: Zone): boolean => !VIRTUAL.has(zone.kind);

export interface Site {
  code: string;
  name: string;
  zones: Zone[];
}

/** Units of one SKU in one zone: the value now, never a difference. Zero means there is none any more. */
export interface StockRow {
  site: string;
  zone: string;
  sku: string;
  net: number;
}

export interface Movement {
  id: string;
  kind: "arrived" | "moved" | "departed" | "crossed";
  epc: string;
  sku: string | null;
  site: string;
  zone: string | null;
  from_zone: string | null;
  portal: string | null;
  direction: "in" | "out" | null;
  observed_at: string;
}

export interface Gateway {
  gateway: string;
  site: string | null;
  online: boolean;
  since: string | null;
  readers: string[];
  unknown_zones: string[];
  unknown_portals: string[];
}

export interface Alert {
  alert_id: number;
  kind: string;
  key: string;
  site: string | null;
  /** What it is about, in one line. */
  about: string;
  raised_at: string;
}

export interface Snapshot {
  type: "snapshot";
  seq: string;
  sites: Site[];
  stock: StockRow[];
  movements: Movement[];
  gateways: Gateway[];
  alerts: Alert[];
}

export interface Delta {
  type: "delta";
  seq: string;
  stock: StockRow[];
  movements: Movement[];
  sites?: Site[];
  gateways?: Gateway[];
  alerts?: Alert[];
}

export type LiveMessage = Snapshot | Delta;

/** A thing that left while no document explained it (backend/documents/views.py). */
export interface Departure {
  epc: string | null;
  identity: string | null;
  sku: string | null;
  quantity: number;
  site: string;
  portal: string;
  observed_at: string;
}

/** What is needed here of a document without its lines. */
export interface Document {
  code: string;
  kind: "receipt" | "shipment" | "transfer" | "return";
  site: string;
  status: string;
}
