CREATE TABLE order_notes (
    id         bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id   bigint NOT NULL,
    author     varchar(100) NOT NULL,
    body       text NOT NULL,
    written_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT order_notes_order_id_fkey
        FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
);

ALTER TABLE customers ADD COLUMN phone varchar(40);
ALTER TABLE customers ADD COLUMN marketing_opt_in boolean NOT NULL DEFAULT false;
