-- Good. One review for each customer and product; a trigger keeps the time of the last change.

CREATE TABLE reviews (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id  INTEGER NOT NULL REFERENCES products (id),
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    stars       INTEGER NOT NULL,
    body        TEXT,
    changed_at  TEXT,
    CONSTRAINT reviews_once_key UNIQUE (product_id, customer_id)
);

CREATE INDEX reviews_customer_id_idx ON reviews (customer_id);

CREATE TRIGGER reviews_changed AFTER UPDATE OF stars, body ON reviews
BEGIN
    UPDATE reviews SET changed_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
