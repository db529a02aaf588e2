-- Damage by one scan: why, and where a picture of it lies; it stands with what people decided about goods.

ALTER TABLE scan ADD COLUMN remark text, ADD COLUMN photo text;
COMMENT ON COLUMN scan.remark IS 'Why, in the operator''s words. `reason` is why the scan was refused.';

ALTER TABLE inspection ADD COLUMN gateway text, ADD COLUMN epoch text, ADD COLUMN seq bigint;
COMMENT ON COLUMN inspection.seq IS 'With gateway and epoch: the damage scan that said so; null: a person at the API did.';
