-- DS. A table without a key, an engine without transactions, an approximate total.
-- Downhaul says: table-without-primary-key

CREATE TABLE invoices (
    account_id int,
    total      float(10,2),
    code       char(10)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3;
