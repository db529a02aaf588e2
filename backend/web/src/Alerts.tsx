import { loads } from "./departures";
import { formatClock, spoken } from "./format";
import { alerts } from "./state";

/** More than these would push the stock off the screen; the API lists all. */
const ALERTS_SHOWN = 6;

export function Alerts() {
  // Where things left without a document is told below, with what can be done about it.
  const told = loads.value.length > 0 ? "unexpected_departure" : "";
  const standing = alerts.value.filter((alert) => alert.kind !== told);
  if (standing.length === 0) return null;
  const hidden = standing.length - ALERTS_SHOWN;
  return (
    <section class="card alerts" aria-label="Alerts">
      <h2>Alerts</h2>
      <ul>
        {standing.slice(0, ALERTS_SHOWN).map((alert) => (
          <li key={alert.alert_id}>
            <span class="name">{spoken(alert.kind)}</span>
            <span class="place">
              {alert.site ? `${alert.site} · ` : ""}
              {alert.about}
            </span>
            <time dateTime={alert.raised_at}>{formatClock(alert.raised_at)}</time>
          </li>
        ))}
      </ul>
      {hidden > 0 && <p class="place">and {hidden} more</p>}
    </section>
  );
}
