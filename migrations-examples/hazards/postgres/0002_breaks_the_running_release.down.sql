ALTER TABLE tokens DROP COLUMN region;
ALTER TABLE accounts ALTER COLUMN plan SET DEFAULT 'free';
ALTER TABLE accounts RENAME COLUMN name TO full_name;
