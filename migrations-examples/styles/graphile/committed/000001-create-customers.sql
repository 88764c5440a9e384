--! Previous: -
--! Hash: sha1:05e8837e8c19b940348765970364730210925d26
--! Message: create-customers

CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE
);
