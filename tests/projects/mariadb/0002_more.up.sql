-- Without a key.
CREATE TABLE journal (
    purchase int,
    amount float,
    by_whom varchar(20)
) ENGINE=InnoDB CHARACTER SET utf8mb4;
-- Told apart by what is not its primary key.
CREATE TABLE setting (
    name varchar(30) NOT NULL UNIQUE,
    value blob
) ENGINE=InnoDB CHARACTER SET latin1;
-- In partitions.
CREATE TABLE reading (
    sensor int NOT NULL,
    day date NOT NULL,
    value decimal(8, 2),
    note text,
    PRIMARY KEY (sensor, day)
) ENGINE=InnoDB CHARACTER SET utf8mb4
PARTITION BY RANGE COLUMNS (day) (
    PARTITION early VALUES LESS THAN ('2025-05-01'),
    PARTITION late VALUES LESS THAN (MAXVALUE)
);
CREATE TABLE `odd ``name` (
    `a b` int PRIMARY KEY,
    `c``d` varchar(20),
    person bigint,
    FOREIGN KEY (person) REFERENCES person (id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB CHARACTER SET utf8mb4;
