-- UN. The statement is put together when it runs.
-- Downhaul says: dynamic-sql, unknown-directive

-- downhaul:pahse contract
SET @statement = CONCAT('ALTER TABLE accounts ADD COLUMN ', 'theme', ' varchar(20)');
PREPARE s FROM @statement;
EXECUTE s;
DEALLOCATE PREPARE s;
