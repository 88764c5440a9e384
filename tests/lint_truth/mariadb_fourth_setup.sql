-- Tickets: the schema on which the cases of mariadb_fourth.tsv are measured, with rows in every table.
CREATE TABLE seq200 (n int PRIMARY KEY);
INSERT INTO seq200 WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE `venues` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT,
    `name` varchar(255) NOT NULL,
    `city` varchar(100) NOT NULL DEFAULT '',
    `seats` mediumint unsigned DEFAULT NULL,
    `lat` double DEFAULT NULL,
    `open_air` tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (`id`),
    UNIQUE KEY `venues_name_city` (`name`(100), `city`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO venues (name, city, seats, lat) SELECT concat('Venue ', n), 'Oslo', n, n FROM seq200;
CREATE TABLE `shows` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT,
    `venue_id` bigint unsigned NOT NULL,
    `title` varchar(63) NOT NULL,
    `starts` datetime NOT NULL,
    `state` enum('draft','on_sale','over') NOT NULL DEFAULT 'draft',
    `blurb` text,
    `meta` longtext DEFAULT NULL CHECK (json_valid(`meta`)),
    PRIMARY KEY (`id`),
    KEY `shows_venue_id_foreign` (`venue_id`),
    KEY `shows_starts_state` (`starts`, `state`),
    CONSTRAINT `shows_venue_id_foreign` FOREIGN KEY (`venue_id`) REFERENCES `venues` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO shows (venue_id, title, starts, blurb, meta) SELECT n, concat('Show ', n), '2024-05-05 20:00:00', 'b', '{}' FROM seq200;
CREATE TABLE `tickets` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT,
    `show_id` bigint unsigned NOT NULL,
    `seat` varchar(8) DEFAULT NULL,
    `price` decimal(6,2) NOT NULL,
    `holder` varchar(120) DEFAULT NULL,
    `qr` char(32) CHARACTER SET latin1 NOT NULL,
    `sold_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `tickets_show_seat` (`show_id`, `seat`),
    UNIQUE KEY `tickets_qr` (`qr`),
    CONSTRAINT `tickets_show` FOREIGN KEY (`show_id`) REFERENCES `shows` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO tickets (show_id, seat, price, holder, qr, sold_at) SELECT n, 'A1', n, concat('H', n), md5(n), '2024-01-01 10:00:00' FROM seq200;
CREATE TABLE `cache` (`key` varchar(191) NOT NULL, `value` mediumtext NOT NULL, `expiration` int NOT NULL, PRIMARY KEY (`key`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO cache SELECT concat('k', n), 'v', n FROM seq200;
CREATE VIEW on_sale AS SELECT id, title, starts FROM shows WHERE state = 'on_sale';
CREATE TRIGGER tickets_seat BEFORE INSERT ON tickets FOR EACH ROW SET NEW.seat = upper(NEW.seat);
