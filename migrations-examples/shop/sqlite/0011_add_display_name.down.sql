DROP TRIGGER customers_sync_changed;
DROP TRIGGER customers_sync_new;
ALTER TABLE customers DROP COLUMN display_name;
