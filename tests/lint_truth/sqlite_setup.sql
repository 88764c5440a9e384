-- The schema on which the cases of sqlite.tsv are measured, with rows in every table.
CREATE TABLE p (id integer PRIMARY KEY, name text);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO p SELECT i, 'p' || i FROM n;
CREATE TABLE t (
    id integer PRIMARY KEY AUTOINCREMENT,
    a int,
    b text NOT NULL DEFAULT '',
    u text UNIQUE,
    k int CHECK (k > 0),
    ref int,
    extra text,
    gone int
);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO t SELECT i, i, 'b' || i, 'u' || i, i, i, hex(zeroblob(100)), i FROM n;
CREATE INDEX t_a ON t (a);
CREATE TABLE c (id integer PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO c SELECT i, i FROM n;
CREATE TABLE plain (id integer PRIMARY KEY, x int, y text);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO plain SELECT i, i + 5000, hex(zeroblob(60)) FROM n;
CREATE INDEX plain_x ON plain (x);
CREATE TRIGGER plain_trg AFTER INSERT ON plain BEGIN UPDATE p SET name = 'seen' WHERE id = 1; END;
CREATE TABLE need (a int NOT NULL);
CREATE VIEW vw AS SELECT id, a FROM t;
CREATE TABLE lone (a int, b text);
INSERT INTO lone VALUES (1, 'x'), (2, NULL);
WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO lone SELECT i, hex(zeroblob(60)) FROM n;
