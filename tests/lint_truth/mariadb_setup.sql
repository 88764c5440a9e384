-- The schema on which the cases of mariadb.tsv are measured, with rows in every table.
CREATE TABLE numbers (n int PRIMARY KEY);
INSERT INTO numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23), (24), (25), (26), (27), (28), (29), (30), (31), (32), (33), (34), (35), (36), (37), (38), (39), (40), (41), (42), (43), (44), (45), (46), (47), (48), (49), (50), (51), (52), (53), (54), (55), (56), (57), (58), (59), (60), (61), (62), (63), (64), (65), (66), (67), (68), (69), (70), (71), (72), (73), (74), (75), (76), (77), (78), (79), (80), (81), (82), (83), (84), (85), (86), (87), (88), (89), (90), (91), (92), (93), (94), (95), (96), (97), (98), (99), (100);
CREATE TABLE strict_copy (b int NOT NULL, c varchar(20) NOT NULL);
CREATE TABLE p (id int PRIMARY KEY, name varchar(50) NOT NULL DEFAULT '') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO p SELECT n, 'p' FROM numbers;
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
    txt text,
    CONSTRAINT t_c CHECK (b > -1000000),
    KEY t_a (a),
    UNIQUE KEY t_ref (ref)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO t (id, a, b, ref, s, w, d, e, f, made, txt)
SELECT n, n, n, n, 'abcdefghijklmnopqrstuvwxyz', 'w', n + 0.25, 'b', 'x', '2024-01-01 10:00:00.123456', 'text' FROM numbers;
CREATE TABLE child (id int PRIMARY KEY, t int NOT NULL, CONSTRAINT child_t FOREIGN KEY (t) REFERENCES t (id)) ENGINE=InnoDB;
INSERT INTO child SELECT n, n FROM numbers;
CREATE TABLE lone (a int, b varchar(20)) ENGINE=InnoDB;
INSERT INTO lone SELECT n, 'b' FROM numbers;
CREATE VIEW vw AS SELECT id, a FROM t;
CREATE TABLE computed (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a + 1) VIRTUAL) ENGINE=InnoDB;
INSERT INTO computed (id, a) SELECT n, n FROM numbers;
