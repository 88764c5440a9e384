-- Downhaul says: down-does-not-invert

ALTER TABLE bookings ADD COLUMN reference TEXT;
