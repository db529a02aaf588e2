"""The conventions of the HTTP API; knows no capability. Each capability's `routes.py` is written in these words:

routing.py       Route: method, path, parameters, answer, permission; mounts a table of them on aiohttp
openapi.py       the OpenAPI 3.1 document of such a table
problems.py      what is said when something is wrong (RFC 9457)
paging.py        keyset cursors
permissions.py   the names of everything that may be allowed, in one table
guard.py         who is calling, and may they
idempotency.py   a POST repeated with its key changes nothing twice
etag.py          an unchanged answer is not sent again
web.py           the page and its files
"""
