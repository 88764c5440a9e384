-- Good. full_name becomes display_name in three steps: here the new column appears, and a trigger
-- fills it whichever release writes.

-- downhaul:phase expand
ALTER TABLE customers ADD COLUMN display_name text;

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
