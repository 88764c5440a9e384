-- Good. SQLite has one writer at a time and no concurrent index build: this is the only way.

CREATE INDEX orders_status_idx ON orders (status);
