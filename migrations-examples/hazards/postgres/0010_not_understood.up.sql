-- UN. What the block does depends on what it finds when it runs; and the allowance names no rule.
-- Downhaul says: dynamic-sql, unknown-directive

-- downhaul:allow dynamic-sgl "only scratch tables"
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'scratch%' LOOP
        EXECUTE 'DROP TABLE ' || quote_ident(t);
    END LOOP;
END
$$;
