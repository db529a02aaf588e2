-- name: try_key_lock
-- Whether this transaction is the only one at work under the key; let go at its end.
SELECT pg_try_advisory_xact_lock($1)

-- name: kept_answer
-- What the key was answered with, and for which request.
SELECT digest, status, answer FROM request_key WHERE actor = $1 AND key = $2

-- name: keep_answer
-- The answer, kept in the transaction that made the change.
INSERT INTO request_key (actor, key, digest, status, answer, made_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: forget_answers
-- Keys that nobody will repeat any more.
DELETE FROM request_key WHERE made_at < $1
