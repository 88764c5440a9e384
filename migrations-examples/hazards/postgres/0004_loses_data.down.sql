ALTER TABLE entries ALTER COLUMN amount TYPE numeric(12,4);
ALTER TABLE accounts ADD COLUMN note text;
