-- The schema on which the cases of mariadb.tsv are measured, with rows in every table.
CREATE TABLE p (id int PRIMARY KEY, name varchar(50) NOT NULL DEFAULT '') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO p SELECT seq, 'p' FROM seq_1_to_100;
CREATE TABLE t (
    id int PRIMARY KEY,
    a int,
    b int NOT NULL DEFAULT 0,
    ref int,
    s varchar(50),
    w varchar(300),
    d decimal(8,2),
    e enum('a','b'),
    f set('x','y'),
    made datetime(6),
    c varchar(20) NOT NULL DEFAULT 'x' COMMENT 'code',
    g int GENERATED ALWAYS AS (a + 1) VIRTUAL,
    txt text,
    CONSTRAINT t_c CHECK (b > -1000000),
    KEY t_a (a),
    UNIQUE KEY t_ref (ref)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO t (id, a, b, ref, s, w, d, e, f, made, txt)
SELECT seq, seq, seq, seq, 'abcdefghijklmnopqrstuvwxyz', 'w', seq + 0.25, 'b', 'x', '2024-01-01 10:00:00.123456', 'text' FROM seq_1_to_100;
CREATE TABLE child (id int PRIMARY KEY, t int NOT NULL, CONSTRAINT child_t FOREIGN KEY (t) REFERENCES t (id)) ENGINE=InnoDB;
INSERT INTO child SELECT seq, seq FROM seq_1_to_100;
CREATE TABLE lone (a int, b varchar(20)) ENGINE=InnoDB;
INSERT INTO lone SELECT seq, 'b' FROM seq_1_to_100;
CREATE VIEW vw AS SELECT id, a FROM t;
