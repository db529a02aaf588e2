"""Orders: reserve with a time limit, confirm, pick, pack, ship, cancel, back-order; never more than is there."""
