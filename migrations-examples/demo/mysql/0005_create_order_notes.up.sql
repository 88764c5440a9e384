-- What support writes down about an order.
CREATE TABLE order_notes (
    id         bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id   bigint NOT NULL,
    author     varchar(100) NOT NULL,
    body       text NOT NULL,
    written_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
    KEY order_notes_order_id_idx (order_id),
    CONSTRAINT order_notes_order_id_fkey
        FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
);
