CREATE TABLE bookings_old (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    amount     NUMERIC NOT NULL,
    reference  TEXT
);
INSERT INTO bookings_old SELECT * FROM bookings;
DROP TABLE bookings;
ALTER TABLE bookings_old RENAME TO bookings;
CREATE INDEX entries_account_id_idx ON bookings (account_id);
