-- +migrate Up notransaction
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);

-- +migrate Down notransaction
DROP INDEX CONCURRENTLY customers_country_idx;
