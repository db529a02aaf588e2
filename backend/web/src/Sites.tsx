import { formatUnits } from "./format";
import { connection, type SiteTotals, siteTotals } from "./state";

export function Sites() {
  if (siteTotals.value.length === 0) {
    const waiting =
      connection.value === "live" ? "No site is known yet. Import sites first." : "Loading …";
    return <p class="empty">{waiting}</p>;
  }
  return (
    <section class="sites" aria-label="Stock by site">
      {siteTotals.value.map((totals) => (
        <SiteCard key={totals.site.code} totals={totals} />
      ))}
    </section>
  );
}

function SiteCard({ totals }: { totals: SiteTotals }) {
  const name = totals.site.name || totals.site.code;
  const most = Math.max(1, ...totals.zones.map((zone) => zone.units));
  return (
    <article class="card site" data-site={totals.site.code}>
      <header class="site-name">
        <h2>{name}</h2>
        {name.toLowerCase() !== totals.site.code && <span class="code">{totals.site.code}</span>}
        <strong>{formatUnits(totals.onHand)}</strong>
      </header>
      <ul class="zones">
        {totals.zones.map((zone) => (
          <ZoneRow key={zone.code} zone={zone} most={most} />
        ))}
      </ul>
      <footer class={totals.inTransit === 0 ? "transit none" : "transit"}>
        <span>In transit</span>
        <span data-zone="in_transit">{formatUnits(totals.inTransit)}</span>
      </footer>
    </article>
  );
}

function ZoneRow({ zone, most }: { zone: SiteTotals["zones"][number]; most: number }) {
  const share = Math.max(0, zone.units) / most;
  return (
    <li data-zone={zone.code} class={zone.units < 0 ? "owed" : ""}>
      <span class="name" title={zone.name ? `${zone.code}: ${zone.name}` : zone.code}>
        {zone.name || zone.code}
      </span>
      <span class="units">{formatUnits(zone.units)}</span>
      <span class="bar" style={{ "--share": share }} />
      {zone.units < 0 && <span class="note">owed: taken before it was given</span>}
    </li>
  );
}
