DROP TABLE sessions;
DROP TABLE payments;
