-- SQLite adds a NOT NULL column only with a default: the way back is not quite the old schema.
-- Downhaul sees the difference and mends it.
-- Downhaul says: down-does-not-invert

ALTER TABLE customers ADD COLUMN full_name TEXT NOT NULL DEFAULT '';
UPDATE customers SET full_name = coalesce(display_name, '');

CREATE TRIGGER customers_sync_new AFTER INSERT ON customers
BEGIN
    UPDATE customers SET display_name = NEW.full_name WHERE id = NEW.id;
END;

CREATE TRIGGER customers_sync_changed AFTER UPDATE OF full_name ON customers
BEGIN
    UPDATE customers SET display_name = NEW.full_name WHERE id = NEW.id;
END;
