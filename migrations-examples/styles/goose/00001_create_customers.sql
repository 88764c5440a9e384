-- +goose Up
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE
);

-- +goose Down
DROP TABLE customers;
