-- Sites, zones, portals, lanes, channels and their rules are kept in memory by every process, as of the store's revision. Who
-- changes one of them with psql cannot be asked to count that revision up as well: so their tables do.

CREATE FUNCTION count_catalog_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE store SET catalog_revision = catalog_revision + 1;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION count_catalog_revision IS
    'In the transaction of the change: what others see is either the old revision and the old rows, or both new.';

CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON site
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON zone
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON portal
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON lane
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON channel
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON channel_rule
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalog_revision();

COMMENT ON COLUMN store.catalog_revision IS
    'Counted up by each change of what processes keep in memory: a copy that is older is read again.';
