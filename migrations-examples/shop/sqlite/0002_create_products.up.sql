-- Good. Categories form a tree; deleting one that has children or products is refused.

CREATE TABLE categories (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    parent_id INTEGER REFERENCES categories (id),
    name      TEXT NOT NULL
);

CREATE INDEX categories_parent_id_idx ON categories (parent_id);

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    category_id INTEGER REFERENCES categories (id),
    sku         TEXT NOT NULL,
    name        TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    attributes  TEXT NOT NULL DEFAULT '{}',
    CONSTRAINT products_sku_key UNIQUE (sku)
);

CREATE INDEX products_category_id_idx ON products (category_id);
