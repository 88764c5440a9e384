-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);

-- +goose Down
DROP INDEX CONCURRENTLY customers_country_idx;
