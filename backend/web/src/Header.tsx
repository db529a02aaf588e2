import { formatUnits } from "./format";
import markUrl from "./mark.svg";
import { type Connection, connection, filter, siteTotals, skuCodes, totals } from "./state";

const SAID: Record<Connection, string> = {
  connecting: "Connecting",
  live: "Live",
  lost: "Connection lost, trying again",
  "sign-in": "Signed out",
};

export function Header() {
  const onHand = siteTotals.value.reduce((sum, one) => sum + one.onHand, 0);
  const inTransit = siteTotals.value.reduce((sum, one) => sum + one.inTransit, 0);
  return (
    <header class="top">
      <h1>
        <img src={markUrl} alt="" width="28" height="28" />
        Tallyman
      </h1>
      <dl class="figures">
        <Figure name="on hand" value={onHand} id="on-hand" />
        <Figure name="in transit" value={inTransit} id="in-transit" />
        <Figure name="SKUs" value={totals.value.skus.size} id="skus" />
      </dl>
      <SkuFilter />
      <output class="connection" data-state={connection.value}>
        {SAID[connection.value]}
      </output>
    </header>
  );
}

function Figure({ name, value, id }: { name: string; value: number; id: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-figure={id}>{formatUnits(value)}</dd>
    </div>
  );
}

function SkuFilter() {
  return (
    <label class="filter">
      <span class="unseen">Show only SKUs whose code contains</span>
      <input
        type="search"
        list="sku-codes"
        placeholder="Filter by SKU"
        value={filter.value}
        onInput={(event) => {
          filter.value = event.currentTarget.value;
        }}
      />
      <datalist id="sku-codes">
        {skuCodes.value.map((code) => (
          <option key={code} value={code} />
        ))}
      </datalist>
    </label>
  );
}
