-- A forum: the schema on which the cases of mariadb_fifth.tsv are measured, with rows in every table.
CREATE TABLE seq200 (n int PRIMARY KEY);
INSERT INTO seq200 WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE members (
    id int unsigned NOT NULL AUTO_INCREMENT,
    login varchar(40) NOT NULL,
    email varchar(180) NOT NULL,
    display_name varchar(80) DEFAULT NULL,
    role enum('guest','member','moderator') NOT NULL DEFAULT 'member',
    karma int NOT NULL DEFAULT 0,
    bio text,
    joined_on date NOT NULL,
    seen_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    banned tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    UNIQUE KEY uq_members_login (login),
    UNIQUE KEY uq_members_email (email),
    KEY idx_members_joined (joined_on)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO members (login, email, display_name, joined_on, seen_at) SELECT concat('login', n), concat('m', n, '@example.com'), concat('M', n), '2020-01-01', '2024-01-01 00:00:00' FROM seq200;
CREATE TABLE boards (
    id smallint unsigned NOT NULL AUTO_INCREMENT,
    parent_id smallint unsigned DEFAULT NULL,
    title varchar(100) NOT NULL,
    position int NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY fk_boards_parent (parent_id),
    CONSTRAINT fk_boards_parent FOREIGN KEY (parent_id) REFERENCES boards (id) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO boards (title, position) SELECT concat('Board ', n), n FROM seq200;
CREATE TABLE threads (
    id bigint NOT NULL AUTO_INCREMENT,
    board_id smallint unsigned NOT NULL,
    author_id int unsigned DEFAULT NULL,
    subject varchar(200) NOT NULL,
    slug varchar(120) NOT NULL,
    replies int unsigned NOT NULL DEFAULT 0,
    pinned tinyint(1) NOT NULL DEFAULT 0,
    rating decimal(4,2) DEFAULT NULL,
    opened_at datetime(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY threads_slug (board_id, slug),
    KEY threads_author (author_id),
    CONSTRAINT threads_board FOREIGN KEY (board_id) REFERENCES boards (id) ON DELETE CASCADE,
    CONSTRAINT threads_author FOREIGN KEY (author_id) REFERENCES members (id),
    CONSTRAINT threads_rating CHECK (rating BETWEEN 0 AND 10)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO threads (board_id, author_id, subject, slug, opened_at) SELECT n, n, concat('Subject ', n), concat('s-', n), '2024-03-01 10:00:00' FROM seq200;
CREATE TABLE posts (
    id bigint NOT NULL AUTO_INCREMENT,
    thread_id bigint NOT NULL,
    author_id int unsigned NOT NULL,
    body mediumtext NOT NULL,
    body_length int AS (char_length(body)) VIRTUAL,
    ip varchar(45) DEFAULT NULL,
    edited_at datetime DEFAULT NULL,
    PRIMARY KEY (id),
    KEY posts_thread (thread_id, id),
    KEY posts_author (author_id),
    CONSTRAINT posts_thread FOREIGN KEY (thread_id) REFERENCES threads (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO posts (thread_id, author_id, body, ip) SELECT n, n, concat('body ', n), '::1' FROM seq200;
CREATE TABLE options (name varchar(64) NOT NULL, value longtext, autoload char(3) NOT NULL DEFAULT 'yes', PRIMARY KEY (name)) ENGINE=InnoDB DEFAULT CHARSET=latin1;
INSERT INTO options (name, value) SELECT concat('opt', n), 'v' FROM seq200;
CREATE TABLE visits (day date NOT NULL, path varchar(190) NOT NULL, hits int NOT NULL, KEY visits_path (path)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
PARTITION BY RANGE (year(day)) (PARTITION y2023 VALUES LESS THAN (2024), PARTITION y2024 VALUES LESS THAN (2025), PARTITION y2025 VALUES LESS THAN (2026));
INSERT INTO visits SELECT date_add('2023-01-01', INTERVAL n * 3 DAY), concat('/p', n), n FROM seq200;
CREATE VIEW recent_threads AS SELECT id, subject, opened_at FROM threads WHERE opened_at > '2024-01-01';
CREATE TRIGGER posts_count AFTER INSERT ON posts FOR EACH ROW UPDATE threads SET replies = replies + 1 WHERE id = NEW.thread_id;
