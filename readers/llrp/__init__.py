"""LLRP 1.0.1/1.1: table-driven codec, sans-IO client session, asyncio client (docs/adr/0003-own-llrp.md)."""
