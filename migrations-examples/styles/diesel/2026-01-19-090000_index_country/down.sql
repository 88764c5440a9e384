DROP INDEX CONCURRENTLY customers_country_idx;
