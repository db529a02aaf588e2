-- name: try_key_lock
-- Whether this transaction is the only one at work under the key; let go at its end.
SELECT pg_try_advisory_xact_lock($1)

-- name: kept_answer
-- What the key was answered with, and for which request.
SELECT digest, status, answer FROM request_key WHERE actor = $1 AND key = $2

-- name: keep_answer
-- The answer, kept in the transaction that made the change.
INSERT INTO request_key (actor, key, digest, status, answer, made_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: kept_answers
-- What keys were answered with, by parallel arrays of actor and key.
SELECT actor, key, digest, status, answer
FROM unnest($1::text[], $2::text[]) AS k (actor, key) JOIN request_key USING (actor, key)

-- name: keep_answers
-- Answers of a group of requests, by parallel arrays; a key that was taken meanwhile is left out of the answer.
INSERT INTO request_key (actor, key, digest, status, answer, made_at)
SELECT actor, key, digest, 200, answer, $5
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) AS k (actor, key, digest, answer)
ORDER BY actor, key
ON CONFLICT DO NOTHING
RETURNING actor, key

-- name: forget_answers
-- Keys that nobody will repeat any more.
DELETE FROM request_key WHERE made_at < $1
