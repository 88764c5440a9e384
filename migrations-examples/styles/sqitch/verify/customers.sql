-- Verify shop:customers on pg

SELECT id, email FROM customers WHERE false;
