-- +goose Up
ALTER TABLE customers ADD COLUMN country text;

-- +goose Down
ALTER TABLE customers DROP COLUMN country;
