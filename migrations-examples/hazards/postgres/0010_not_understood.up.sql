-- UN. What the block does depends on what it finds when it runs; and nobody knows the directive.
-- Downhaul says: dynamic-sql, unknown-directive

-- downhaul:pahse contract
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'scratch%' LOOP
        EXECUTE 'DROP TABLE ' || quote_ident(t);
    END LOOP;
END
$$;
