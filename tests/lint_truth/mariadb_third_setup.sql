-- Courses: the schema on which the cases of mariadb_third.tsv are measured, with rows in every table.
CREATE TABLE counter (i int unsigned NOT NULL PRIMARY KEY);
INSERT INTO counter WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE `students` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `username` varchar(50) NOT NULL,
    `mail` varchar(190) DEFAULT NULL,
    `bio` text,
    `score` smallint NOT NULL DEFAULT 0,
    `balance` decimal(8,2) DEFAULT 0.00,
    `level` enum('new','regular','pro') NOT NULL DEFAULT 'new',
    `roles` set('read','write') DEFAULT 'read',
    `settings` json DEFAULT NULL,
    `born` date DEFAULT NULL,
    `seen_at` datetime(3) DEFAULT NULL,
    `created` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    `handle` varchar(60) GENERATED ALWAYS AS (concat('@', `username`)) VIRTUAL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `uq_username` (`username`),
    KEY `ix_mail` (`mail`(20)),
    KEY `ix_seen` (`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO students (username, mail, bio, score, balance, settings, born, seen_at, created) SELECT concat('s', i), concat('s', i, '@example.org'), 'about', i, i + 0.5, '{"dark": true}', '2000-01-01', '2024-02-03 04:05:06.789', '2024-01-01 12:00:00' FROM counter;
CREATE TABLE `courses` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `slug` varchar(80) CHARACTER SET ascii NOT NULL,
    `title` varchar(120) NOT NULL,
    `summary` mediumtext,
    `price_cents` int NOT NULL DEFAULT 0,
    `owner_id` int(10) unsigned DEFAULT NULL,
    `published` tinyint(1) NOT NULL DEFAULT 0,
    `starts_on` date DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `slug` (`slug`),
    KEY `owner_id` (`owner_id`),
    FULLTEXT KEY `ft_title` (`title`),
    CONSTRAINT `fk_courses_owner` FOREIGN KEY (`owner_id`) REFERENCES `students` (`id`) ON DELETE SET NULL,
    CONSTRAINT `ck_price` CHECK (`price_cents` >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO courses (slug, title, summary, price_cents, owner_id, starts_on) SELECT concat('course-', i), concat('Course ', i), 'long text', i * 10, i, '2024-03-01' FROM counter;
CREATE TABLE `enrolments` (
    `student_id` int(10) unsigned NOT NULL,
    `course_id` int(10) unsigned NOT NULL,
    `grade` float DEFAULT NULL,
    `note` varchar(255) DEFAULT NULL,
    `enrolled_at` datetime NOT NULL DEFAULT current_timestamp(),
    PRIMARY KEY (`student_id`, `course_id`),
    KEY `course_grade` (`course_id`, `grade`),
    CONSTRAINT `fk_enrolments_student` FOREIGN KEY (`student_id`) REFERENCES `students` (`id`) ON DELETE CASCADE,
    CONSTRAINT `fk_enrolments_course` FOREIGN KEY (`course_id`) REFERENCES `courses` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO enrolments (student_id, course_id, grade, note, enrolled_at) SELECT i, i, 2.5, concat('n', i), '2024-03-01 10:00:00' FROM counter;
CREATE TABLE `lessons` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `course_id` int(10) unsigned NOT NULL,
    `position` int NOT NULL,
    `body` longtext NOT NULL,
    `video_url` varchar(500) DEFAULT NULL,
    `minutes` tinyint unsigned DEFAULT NULL,
    UNIQUE KEY `course_position` (`course_id`, `position`),
    CONSTRAINT `lessons_ibfk_1` FOREIGN KEY (`course_id`) REFERENCES `courses` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO lessons (course_id, position, body, video_url, minutes) SELECT i, 1, 'text', concat('http://localhost/', i), 30 FROM counter;
CREATE TABLE `log_lines` (`id` bigint NOT NULL AUTO_INCREMENT, `at` datetime NOT NULL, `line` varchar(1000), PRIMARY KEY (`id`, `at`), KEY `at` (`at`)) ENGINE=InnoDB PARTITION BY RANGE (to_days(`at`)) (PARTITION p1 VALUES LESS THAN (to_days('2024-02-01')), PARTITION p2 VALUES LESS THAN (to_days('2024-03-01')), PARTITION pmax VALUES LESS THAN MAXVALUE);
INSERT INTO log_lines (`at`, line) SELECT '2024-01-10' + INTERVAL i HOUR, 'x' FROM counter;
INSERT INTO log_lines (`at`, line) SELECT '2024-02-10' + INTERVAL i HOUR, 'y' FROM counter;
CREATE TABLE `settings` (`name` varchar(64) NOT NULL, `value` varchar(255) DEFAULT NULL, PRIMARY KEY (`name`)) ENGINE=InnoDB DEFAULT CHARSET=latin1;
INSERT INTO settings SELECT concat('k', i), 'v' FROM counter;
CREATE TABLE `import_queue` (`payload` text, `tries` int DEFAULT 0) ENGINE=InnoDB;
INSERT INTO import_queue SELECT 'p', 0 FROM counter;
CREATE VIEW `open_courses` AS SELECT `id`, `slug`, `title` FROM `courses` WHERE `published` = 1;
CREATE TRIGGER `lessons_minutes` BEFORE INSERT ON `lessons` FOR EACH ROW SET NEW.minutes = coalesce(NEW.minutes, 10);
CREATE PROCEDURE recount(IN which int) UPDATE courses SET published = published WHERE id = which;
CREATE FUNCTION to_euro(cents int) RETURNS decimal(10,2) DETERMINISTIC RETURN cents / 100;
