-- Good.

CREATE TABLE payments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id     INTEGER NOT NULL REFERENCES orders (id),
    method       TEXT NOT NULL CHECK (method IN ('card', 'transfer', 'voucher')),
    amount_cents INTEGER NOT NULL,
    paid_at      TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX payments_order_id_idx ON payments (order_id);
