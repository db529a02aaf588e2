"""Orders over the API, beyond their reservation: where to pick, packed, many at once, and changed by one at a time."""

from __future__ import annotations

from typing import Any

from tests.house import GTIN, arrived, crossed, scan, tag
from tests.integration.test_documents import Clerk, clerk, order

__all__ = ["clerk"]


async def picks(clerk: Clerk) -> list[tuple[str, int, int, int]]:
    """Zone, units, things and loose units of each pick of the order."""
    rows = (await clerk.get("orders/o1/picks"))["picks"]
    return [(row["zone"], row["units"], len(row["things"]), row["loose"]) for row in rows]


async def test_an_order_is_picked_from_pick_faces_first_and_packed(clerk: Clerk) -> None:
    await clerk.here.say(arrived(3, "shelf", 300, kind="moved"))
    await clerk.here.say(scan("receive", f"01{GTIN}", 400, scan_id="r", zone="shelf", quantity=2))
    await order(clerk, 5)
    assert await picks(clerk) == [("shelf", 3, 1, 2), ("rack", 2, 2, 0)]
    (first, second) = (await clerk.get("orders/o1/picks"))["picks"]
    assert [one["epc"] for one in first["things"]] == [tag(3)]
    assert [one["epc"] for one in second["things"]] == [tag(1), tag(2)]
    await clerk.here.say(scan("pick", f"01{GTIN}", 700, scan_id="p", zone="dock", quantity=2, document="o1"))
    assert sum(units for _, units, _, _ in await picks(clerk)) == 3
    assert (await clerk.post("orders/o1/events", event="pack"))["status"] == "packed"
    async with clerk.session.get("/api/v1/orders/o1/picks") as response:
        assert response.status == 409


async def test_what_left_without_a_pick_is_not_to_be_picked(clerk: Clerk) -> None:
    await order(clerk, 4)
    await clerk.make("s1", "shipment", 4, order="o1")
    await clerk.door("s1")
    await clerk.here.say(*(crossed(serial, "out", 620 + serial) for serial in (1, 2, 3)))
    assert sum(units for _, units, _, _ in await picks(clerk)) == 1
    await clerk.here.say(crossed(4, "out", 630))
    assert await picks(clerk) == []


async def test_an_order_is_not_packed_before_it_is_picked(clerk: Clerk) -> None:
    await order(clerk, 5)
    await clerk.post("orders/o1/events", 409, event="pack")


async def test_changes_of_what_somebody_else_changed_are_refused(clerk: Clerk) -> None:
    await order(clerk, 2)
    await clerk.make("t1", "transfer", 1, to_site="b")

    async def change(path: str, event: str, tagged: str, key: str) -> int:
        headers = {"Idempotency-Key": key, "If-Match": tagged}
        async with clerk.session.post(f"/api/v1/{path}/events", json={"event": event}, headers=headers) as response:
            return response.status

    async def tag_of(path: str) -> str:
        async with clerk.session.get(f"/api/v1/{path}") as response:
            return response.headers["ETag"]

    for path, event, other in (("orders/o1", "cancel", "cancel"), ("documents/t1", "cancel", "approve")):
        known = await tag_of(path)
        assert await change(path, event, '"stale"', f"{path}-1") == 412
        assert await change(path, other, known, f"{path}-2") == 200
        assert await change(path, event, known, f"{path}-3") == 412


async def test_many_orders_at_once_each_have_their_own_outcome(clerk: Clerk) -> None:
    def one(code: str, units: int, **more: Any) -> dict[str, Any]:
        return {"code": code, "channel": "web", "hold_s": None, "lines": [{"sku": "BOX", "quantity": units}], **more}

    body = {"orders": [one("o1", 6), one("o2", 6), one("o3", 4), one("o4", 1, channel="ghost")]}
    headers = {"Idempotency-Key": "many"}
    answers = []
    for _ in range(2):
        async with clerk.session.post("/api/v1/order-batches", json=body, headers=headers) as response:
            assert response.status == 200
            answers.append(await response.json())
    outcomes = answers[0]["outcomes"]
    assert [row["granted"] for row in outcomes] == [row["granted"] for row in answers[1]["outcomes"]]
    assert [row["order"] for row in outcomes] == ["o1", "o2", "o3", "o4"]
    assert [row["granted"] is not None for row in outcomes] == [True, False, True, False]
    assert (outcomes[1]["problem"]["status"], outcomes[1]["problem"]["errors"][0]["lacking"]) == (409, 2)
    assert outcomes[3]["problem"]["status"] == 422
    assert await clerk.promised() == 10
