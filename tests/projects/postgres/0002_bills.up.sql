CREATE SCHEMA billing;
CREATE TABLE billing."Bill" (
    "Number" serial PRIMARY KEY,
    patient uuid NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
    replaces int UNIQUE REFERENCES billing."Bill" ("Number") ON DELETE CASCADE ON UPDATE CASCADE,
    total cents NOT NULL DEFAULT 0,
    "paid at" timestamptz,
    CHECK (replaces <> "Number")
);
CREATE TABLE billing.item (
    bill int REFERENCES billing."Bill" ("Number") ON DELETE CASCADE ON UPDATE CASCADE,
    line smallint,
    amount cents NOT NULL,
    what varchar(20) COLLATE "C",
    PRIMARY KEY (bill, line)
);
-- Without a key.
CREATE TABLE billing.payment (
    bill int REFERENCES billing."Bill" ("Number") ON DELETE SET NULL ON UPDATE CASCADE,
    amount numeric(10, 2),
    by text
);
-- Told apart by what is not its primary key.
CREATE TABLE setting (
    name varchar(30) NOT NULL UNIQUE,
    value bytea
);

-- The sums of bills follow their items.
CREATE FUNCTION billing.sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        UPDATE billing."Bill" SET total = (SELECT coalesce(sum(amount), 0) FROM billing.item WHERE bill = NEW.bill) WHERE "Number" = NEW.bill;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE billing."Bill" SET total = (SELECT coalesce(sum(amount), 0) FROM billing.item WHERE bill = OLD.bill) WHERE "Number" = OLD.bill;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sum_up AFTER INSERT OR UPDATE OR DELETE ON billing.item FOR EACH ROW EXECUTE FUNCTION billing.sum_up();

-- Names are kept tidy, and who goes is remembered.
CREATE TABLE gone (
    id bigint,
    name text,
    how int NOT NULL DEFAULT 1
);
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO gone VALUES (OLD.id, OLD.name);
        RETURN OLD;
    END IF;
    NEW.name := replace(NEW.name, '%', '');
    IF NEW.active IS FALSE THEN
        UPDATE ward SET rank = NULL WHERE head = NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tidy BEFORE INSERT OR UPDATE OR DELETE ON person FOR EACH ROW EXECUTE FUNCTION tidy();

CREATE TABLE visit_note (
    id int PRIMARY KEY,
    number int,
    at timestamptz,
    text text NOT NULL DEFAULT '',
    FOREIGN KEY (number, at) REFERENCES visit (number, at) ON DELETE CASCADE ON UPDATE CASCADE
);
