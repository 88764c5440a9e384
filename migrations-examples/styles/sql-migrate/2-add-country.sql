-- +migrate Up
ALTER TABLE customers ADD COLUMN country text;

-- +migrate Down
ALTER TABLE customers DROP COLUMN country;
