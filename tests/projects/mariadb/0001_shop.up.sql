-- A shop: people who know each other, orders, and what is in them.
CREATE TABLE person (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    name varchar(30) NOT NULL,
    email varchar(60) UNIQUE,
    born date,
    mentor bigint,
    deputy bigint,
    active tinyint(1) NOT NULL DEFAULT 1,
    label varchar(100) AS (concat(lower(name), coalesce(email, ''))) STORED,
    FOREIGN KEY (mentor) REFERENCES person (id) ON DELETE SET NULL,
    FOREIGN KEY (deputy) REFERENCES person (id) ON DELETE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4;
CREATE TABLE team (
    code varchar(8) PRIMARY KEY,
    lead bigint UNIQUE,
    rank int UNIQUE,
    kind enum('red', 'green', 'it''s odd') NOT NULL DEFAULT 'red',
    FOREIGN KEY (lead) REFERENCES person (id) ON DELETE SET NULL ON UPDATE SET NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4;
-- Two that refer to each other.
CREATE TABLE client (
    id binary(4) PRIMARY KEY,
    person bigint NOT NULL,
    favourite int,
    state enum('new', 'old') NOT NULL DEFAULT 'new',
    notes json,
    weight decimal(20, 6),
    UNIQUE (person, state),
    FOREIGN KEY (person) REFERENCES person (id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4;
CREATE TABLE purchase (
    number int AUTO_INCREMENT PRIMARY KEY,
    client binary(4),
    seller bigint,
    at datetime(3) NOT NULL DEFAULT '2025-06-01',
    paid timestamp NULL,
    total double NOT NULL DEFAULT 0,
    FOREIGN KEY (client) REFERENCES client (id) ON DELETE CASCADE,
    FOREIGN KEY (seller) REFERENCES person (id) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4;
ALTER TABLE client ADD FOREIGN KEY (favourite) REFERENCES purchase (number) ON DELETE SET NULL;
CREATE TABLE item (
    purchase int,
    line smallint,
    amount int unsigned NOT NULL,
    what varchar(20) COLLATE utf8mb4_bin,
    flags bit(5),
    PRIMARY KEY (purchase, line),
    FOREIGN KEY (purchase) REFERENCES purchase (number) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4;
