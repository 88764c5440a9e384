CREATE TABLE payments (
    id           bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id     bigint NOT NULL,
    method       enum('card', 'transfer', 'voucher') NOT NULL,
    amount_cents bigint NOT NULL,
    paid_at      datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
    KEY payments_order_id_idx (order_id),
    CONSTRAINT payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE sessions (
    token       varchar(64) NOT NULL PRIMARY KEY,
    customer_id bigint NOT NULL,
    expires_at  datetime NOT NULL,
    KEY sessions_customer_id_idx (customer_id),
    CONSTRAINT sessions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id)
);
