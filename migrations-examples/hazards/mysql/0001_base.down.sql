DROP TABLE tokens;
DROP TABLE entries;
DROP TABLE accounts;
