-- Downhaul says: down-does-not-invert

ALTER TABLE entries ADD COLUMN reference varchar(40);
