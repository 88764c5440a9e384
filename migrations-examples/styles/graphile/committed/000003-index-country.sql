--! Previous: sha1:4e9de945db3b0d25105ba83dc799e41a8c1dd075
--! Hash: sha1:6e92ffd083d295807b348ba4fbf86e8a031bdc46
--! Message: index-country

--! no-transaction
CREATE INDEX CONCURRENTLY customers_country_idx ON customers (country);
