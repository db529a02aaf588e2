import { formatClock, placeOf, shortEpc } from "./format";
import type { Movement } from "./model";
import { shownMovements } from "./state";

export function Movements() {
  return (
    <section class="card movements" aria-label="Movements as they happen">
      <h2>Movements</h2>
      {shownMovements.value.length === 0 ? (
        <p class="empty">Nothing has moved yet.</p>
      ) : (
        <ol>
          {shownMovements.value.map((movement) => (
            <MovementRow key={movement.id} movement={movement} />
          ))}
        </ol>
      )}
    </section>
  );
}

const SIGNS = { arrived: "●", moved: "⇄", departed: "○", in: "→", out: "←" } as const;

function MovementRow({ movement }: { movement: Movement }) {
  const crossing = movement.kind === "crossed" ? movement.direction : null;
  const sign =
    movement.kind === "crossed" ? SIGNS[movement.direction ?? "in"] : SIGNS[movement.kind];
  return (
    <li data-kind={crossing ?? movement.kind}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      <span class="what">{crossing ? `crossed ${crossing}` : movement.kind}</span>
      <span class="tag" title={movement.epc}>
        {shortEpc(movement.epc)}
      </span>
      <time dateTime={movement.observed_at} title={movement.observed_at}>
        {formatClock(movement.observed_at)}
      </time>
      <span class="place where">
        {movement.site} · {placeOf(movement)}
      </span>
      <span class="place sku">{movement.sku ?? ""}</span>
    </li>
  );
}
