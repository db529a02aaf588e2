"""Everything that may be allowed, in one table. A route names the permission it needs; roles will name many.

Who holds which permission is decided by whoever makes the Principal (`guard.py`); until people sign in, whoever may
speak to the server at all holds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """The right to do one kind of thing, named `what.do`. The value is what tokens, roles and documents say."""

    CATALOG_READ = "catalog.read"
    CATALOG_IMPORT = "catalog.import"
    CATALOG_WRITE = "catalog.write"
    LOTS_CHANGE = "lots.change"
    STOCK_READ = "stock.read"
    STOCK_IMPORT = "stock.import"
    STOCK_REVERSE = "stock.reverse"
    STOCK_INSPECT = "stock.inspect"
    ITEMS_READ = "items.read"
    MOVEMENTS_READ = "movements.read"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_REPLAY = "quarantine.replay"
    CHANNELS_READ = "channels.read"
    CHANNELS_WRITE = "channels.write"
    ORDERS_READ = "orders.read"
    ORDERS_RESERVE = "orders.reserve"
    ORDERS_CHANGE = "orders.change"
    DOCUMENTS_READ = "documents.read"
    DOCUMENTS_CHANGE = "documents.change"
    COUNTS_READ = "counts.read"
    COUNTS_PLAN = "counts.plan"
    COUNTS_COUNT = "counts.count"
    COUNTS_CHANGE = "counts.change"
    GATEWAYS_READ = "gateways.read"
    ALERTS_READ = "alerts.read"
    LIVE_READ = "live.read"
    METRICS_READ = "metrics.read"


MEANING: dict[Permission, str] = {
    Permission.CATALOG_READ: "See sites, zones, portals, SKUs and lots, and export them",
    Permission.CATALOG_IMPORT: "Add and change sites, zones, portals and SKUs by file",
    Permission.CATALOG_WRITE: "Add and change sites, zones, portals, SKUs and lots",
    Permission.LOTS_CHANGE: "Hold, recall and release lots",
    Permission.STOCK_READ: "See quantities and where they are, now and at any past instant",
    Permission.STOCK_IMPORT: "Announce receipts and write opening stock by file",
    Permission.STOCK_REVERSE: "Take back scans and postings that were wrong",
    Permission.STOCK_INSPECT: "Decide what becomes of goods that came back or broke",
    Permission.ITEMS_READ: "See single things by their EPC and their history",
    Permission.MOVEMENTS_READ: "See what the portals and readers decided",
    Permission.QUARANTINE_READ: "See events that were set aside, and why",
    Permission.QUARANTINE_REPLAY: "Send events that were set aside through again",
    Permission.CHANNELS_READ: "See channels, their rules and what each may promise",
    Permission.CHANNELS_WRITE: "Define channels, their rules, and lanes to regions",
    Permission.ORDERS_READ: "See orders, what they are promised and what waits",
    Permission.ORDERS_RESERVE: "Reserve stock for an order",
    Permission.ORDERS_CHANGE: "Confirm, ship and cancel orders",
    Permission.DOCUMENTS_READ: "See receipts, shipments, transfers, returns, and what left without one",
    Permission.DOCUMENTS_CHANGE: "Make documents, open doors, settle departures, say what crossings and scans do",
    Permission.COUNTS_READ: "See counts, what is due, and how well the ledger agreed with them",
    Permission.COUNTS_PLAN: "Make counts, and say how a site counts",
    Permission.COUNTS_COUNT: "Send what was found",
    Permission.COUNTS_CHANGE: "Close, recount, approve and cancel counts",
    Permission.GATEWAYS_READ: "See gateways, their state and configuration",
    Permission.ALERTS_READ: "See standing and past alerts",
    Permission.LIVE_READ: "Follow stock and movements as they happen",
    Permission.METRICS_READ: "Read the process's metrics",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: `actor` and `role` stand on every posting that the call makes."""

    actor: str
    role: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Whether this caller holds the permission."""
        return permission in self.permissions
