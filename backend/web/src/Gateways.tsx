import { formatClock } from "./format";
import type { Gateway } from "./model";
import { gateways } from "./state";

export function Gateways() {
  if (gateways.value.length === 0) return null;
  return (
    <section class="card gateways" aria-label="Gateways">
      <h2>Gateways</h2>
      <ul>
        {gateways.value.map((gateway) => (
          <GatewayRow key={gateway.gateway} gateway={gateway} />
        ))}
      </ul>
    </section>
  );
}

function GatewayRow({ gateway }: { gateway: Gateway }) {
  const unknown = [...gateway.unknown_zones, ...gateway.unknown_portals];
  const readers = gateway.readers.length;
  return (
    <li data-gateway={gateway.gateway} data-online={gateway.online}>
      <span class="dot" aria-hidden="true" />
      <span class="name">{gateway.gateway}</span>
      <span class="place">
        {gateway.site ?? "unknown site"} · {readers} {readers === 1 ? "reader" : "readers"}
      </span>
      <span class="since">
        {gateway.online ? "online" : "offline"}
        {gateway.since && ` since ${formatClock(gateway.since)}`}
      </span>
      {unknown.length > 0 && <span class="note">not in the catalog: {unknown.join(", ")}</span>}
    </li>
  );
}
