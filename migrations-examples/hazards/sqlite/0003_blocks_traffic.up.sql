-- LK. A table rebuild in which the index gets lost; every other writer waits for its end.
-- Downhaul says: sqlite-table-rebuild

CREATE TABLE bookings_new (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    amount     NUMERIC NOT NULL CHECK (amount <> 0),
    reference  TEXT
);
INSERT INTO bookings_new SELECT * FROM bookings;
DROP TABLE bookings;
ALTER TABLE bookings_new RENAME TO bookings;
