-- Good. A longer varchar is a change of the catalog only: no rewrite, no scan.

ALTER TABLE products ALTER COLUMN sku TYPE varchar(40);
