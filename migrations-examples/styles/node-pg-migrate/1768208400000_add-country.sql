-- Up Migration
ALTER TABLE customers ADD COLUMN country text;

-- Down Migration
ALTER TABLE customers DROP COLUMN country;
