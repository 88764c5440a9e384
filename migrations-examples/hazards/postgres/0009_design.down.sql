DROP TABLE audit;
DROP TABLE invoices;
