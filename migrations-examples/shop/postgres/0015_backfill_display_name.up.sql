-- Good. The old rows follow in batches, each in a transaction of its own: no row stays locked for
-- long, and a second run goes on where the first ended.

-- downhaul:phase backfill
-- downhaul:no-transaction
-- A block that commits by itself can have no restore point. It fills a new column and nothing else.
-- downhaul:protect off
DO $$
BEGIN
    LOOP
        UPDATE customers SET display_name = full_name
        WHERE id IN (
            SELECT id FROM customers
            WHERE display_name IS NULL
            ORDER BY id
            LIMIT 1000
            FOR UPDATE SKIP LOCKED
        );
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$$;
