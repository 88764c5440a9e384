-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY customers_country_idx;
