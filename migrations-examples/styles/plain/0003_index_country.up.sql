-- downhaul:no-transaction
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);
