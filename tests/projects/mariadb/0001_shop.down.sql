DROP TABLE item;
ALTER TABLE client DROP FOREIGN KEY client_ibfk_2;
DROP TABLE purchase;
DROP TABLE client;
DROP TABLE team;
DROP TABLE person;
