-- Good. full_name becomes display_name in three steps: here the new column appears, and triggers
-- fill it whichever release writes.

-- downhaul:phase expand
ALTER TABLE customers ADD COLUMN display_name TEXT;

CREATE TRIGGER customers_sync_new AFTER INSERT ON customers
BEGIN
    UPDATE customers SET display_name = NEW.full_name WHERE id = NEW.id;
END;

CREATE TRIGGER customers_sync_changed AFTER UPDATE OF full_name ON customers
BEGIN
    UPDATE customers SET display_name = NEW.full_name WHERE id = NEW.id;
END;
