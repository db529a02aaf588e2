"""What documents say of things: receipts that announce them, opening stock that stands somewhere. A document is an
observation like any other (backend.effects): it is bound to the item and folded among what readers saw."""
