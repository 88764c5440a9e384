-- UN. The statement is put together when it runs.
-- Downhaul says: dynamic-sql, unknown-directive

-- downhaul:allow dynamic-sgl "one table only"
SELECT CONCAT('ALTER TABLE ', table_name, ' ADD COLUMN theme varchar(20)') INTO @statement
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'acc%';
PREPARE s FROM @statement;
EXECUTE s;
DEALLOCATE PREPARE s;
