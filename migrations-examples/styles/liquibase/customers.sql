--liquibase formatted sql

--changeset ann:create-customers
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE
);
--rollback DROP TABLE customers;
