ALTER TABLE bookings RENAME TO entries;
ALTER TABLE accounts RENAME COLUMN name TO full_name;
