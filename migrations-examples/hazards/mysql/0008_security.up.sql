-- SE. A password that everyone who can read the repository knows, and rights on everything.
-- Downhaul says: secret-in-sql, grant-to-public

CREATE USER 'reporting'@'localhost' IDENTIFIED BY 'winter2026';
GRANT ALL PRIVILEGES ON *.* TO 'reporting'@'localhost';
