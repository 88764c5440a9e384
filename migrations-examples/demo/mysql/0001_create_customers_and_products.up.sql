CREATE TABLE customers (
    id         bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email      varchar(255) NOT NULL,
    full_name  varchar(255) NOT NULL,
    country    char(2) NOT NULL CHECK (char_length(country) = 2),
    created_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT customers_email_key UNIQUE (email)
);

CREATE TABLE products (
    id          bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    sku         varchar(40) NOT NULL,
    name        varchar(255) NOT NULL,
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    CONSTRAINT products_sku_key UNIQUE (sku)
);
