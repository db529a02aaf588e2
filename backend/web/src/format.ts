/** Numbers, times and names as people read them. */

import type { Movement } from "./model";

const units = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const formatUnits = (value: number): string => units.format(value);

export const formatClock = (iso: string): string => clock.format(new Date(iso));

/** An EPC is too long to read; its tail holds the serial number, by which people tell tags apart. */
export const shortEpc = (epc: string): string => (epc.length > 10 ? `…${epc.slice(-8)}` : epc);

/** `lost_range` becomes `Lost range`. */
export function spoken(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Where a movement went, in a few words. */
export function placeOf(movement: Movement): string {
  if (movement.kind === "crossed") return movement.portal ?? "";
  if (movement.kind === "moved" && movement.from_zone) {
    return `${movement.from_zone} → ${movement.zone ?? ""}`;
  }
  return movement.zone ?? "";
}
