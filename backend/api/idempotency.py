"""A POST sent twice with the same Idempotency-Key changes nothing twice (IETF draft idempotency-key-header-07).

The answer is kept in the transaction that made the change, so a server that dies in between leaves both or neither:

    key unknown                      do the work, keep the answer, commit both
    key known, same request          the kept answer again; nothing is done
    key known, another request       422 key-reused
    key at work in another request   409 key-in-progress
    the work is refused              nothing is kept: the mended request may use the key again

Keys belong to an actor and are kept for KEEP_DAYS.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from backend.api.problems import ProblemError
from backend.api.storable import require_text
from backend.store.database import Connection, Database, Pool, Queries
from wire.clock import Clock

SQL: Final = Queries.beside(__file__)

KEEP_DAYS: Final = 7
"""A caller that still repeats a request after a week has other troubles; the table stays small."""

MAX_KEY_CHARS: Final = 200
"""Keys are UUIDs and the like; longer ones would be stored for nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with: the HTTP status and the JSON body."""

    status: int
    body: str


class JoinedDatabase(Database):
    """One connection inside an open transaction, where services expect a database: what they do joins it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(cast("Pool", connection))  # answers the pool's queries as the pool does
        self._connection = connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A savepoint within the open transaction."""
        async with self._connection.transaction():
            yield self._connection

    snapshot = transaction


def require_key(key: str | None) -> str:
    """The key that a request came with. Raises ProblemError for none, and for one that cannot be kept."""
    if not key:
        raise ProblemError("key-missing", "the request has no Idempotency-Key header")
    if len(key) > MAX_KEY_CHARS:
        raise ProblemError("invalid-request", f"Idempotency-Key is longer than {MAX_KEY_CHARS} characters")
    try:
        return require_text(key)
    except ValueError as error:
        raise ProblemError("invalid-request", "Idempotency-Key is no text in UTF-8") from error


class KeyStore:
    """Runs each keyed request once, with its work and its answer in one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @staticmethod
    def digest(*parts: str | bytes) -> bytes:
        """What makes two requests the same: method, path with query, media type and body."""
        whole = hashlib.sha256()
        for part in parts:
            raw = part.encode() if isinstance(part, str) else part
            whole.update(len(raw).to_bytes(8) + raw)
        return whole.digest()

    async def once(
        self, actor: str, key: str | None, digest: bytes, work: Callable[[Database], Awaitable[Answer]]
    ) -> Answer:
        """The answer of `work`, done now or when the key was first seen. Raises ProblemError as the table says."""
        key = require_key(key)
        async with self._database.transaction() as connection:
            lock = int.from_bytes(self.digest(actor, key)[:8], signed=True)
            if not await connection.fetchval(SQL["try_key_lock"], lock):
                raise ProblemError("key-in-progress", f"a request with the key {key!r} has not ended yet")
            kept = await connection.fetchrow(SQL["kept_answer"], actor, key)
            if kept is not None:
                if kept["digest"] != digest:
                    raise ProblemError("key-reused", f"the key {key!r} was used for another request")
                return Answer(kept["status"], kept["answer"])
            answer = await work(JoinedDatabase(connection))
            now = self._clock.now()
            await connection.execute(SQL["keep_answer"], actor, key, digest, answer.status, answer.body, now)
        return answer

    async def sweep(self) -> None:
        """Forget the keys that are older than KEEP_DAYS."""
        oldest = self._clock.now() - timedelta(days=KEEP_DAYS)
        async with self._database.transaction() as connection:
            await connection.execute(SQL["forget_answers"], oldest)
