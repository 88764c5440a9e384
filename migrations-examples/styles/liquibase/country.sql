--liquibase formatted sql

--changeset ann:add-country
ALTER TABLE customers ADD COLUMN country text;
--rollback ALTER TABLE customers DROP COLUMN country;

--changeset ann:index-country runInTransaction:false
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);
--rollback DROP INDEX CONCURRENTLY customers_country_idx;
