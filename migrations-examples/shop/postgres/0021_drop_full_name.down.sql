ALTER TABLE customers ADD COLUMN full_name text;
UPDATE customers SET full_name = coalesce(display_name, '');
ALTER TABLE customers ALTER COLUMN full_name SET NOT NULL;

CREATE FUNCTION customers_sync_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.full_name IS DISTINCT FROM OLD.full_name THEN
        NEW.display_name := NEW.full_name;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER customers_sync_name BEFORE INSERT OR UPDATE ON customers
FOR EACH ROW EXECUTE FUNCTION customers_sync_name();
