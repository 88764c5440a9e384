-- Deploy shop:country to pg

BEGIN;

ALTER TABLE customers ADD COLUMN country text;

COMMIT;
