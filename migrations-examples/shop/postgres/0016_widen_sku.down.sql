-- Narrowing is not free: the table is rewritten, and it fails on the first longer value.

ALTER TABLE products ALTER COLUMN sku TYPE varchar(20);
