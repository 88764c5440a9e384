ALTER TABLE accounts DROP COLUMN theme;
