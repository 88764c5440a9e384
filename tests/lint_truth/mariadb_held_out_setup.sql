-- A shop: the schema on which the cases of mariadb_held_out.tsv are measured, with rows in every table.
CREATE TABLE numbers (n int PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE `customers` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT,
    `email` varchar(255) NOT NULL,
    `name` varchar(100) NOT NULL,
    `phone` varchar(20) DEFAULT NULL,
    `credit` decimal(10,2) NOT NULL DEFAULT 0.00,
    `country` char(2) CHARACTER SET ascii NOT NULL DEFAULT 'NO',
    `settings` longtext DEFAULT NULL,
    `tier` enum('basic','gold') NOT NULL DEFAULT 'basic',
    `created_at` timestamp NOT NULL DEFAULT current_timestamp(),
    `deleted_at` datetime DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `customers_email_unique` (`email`),
    KEY `customers_created_at_index` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO customers (email, name, phone, credit, settings, created_at) SELECT concat('c', n, '@example.org'), concat('Customer ', n), n, n + 0.25, '{"a": 1}', '2024-01-01 10:00:00' FROM numbers;
CREATE TABLE `orders` (
    `id` bigint unsigned NOT NULL AUTO_INCREMENT,
    `customer_id` bigint unsigned NOT NULL,
    `status` varchar(20) NOT NULL DEFAULT 'new',
    `total` decimal(12,2) NOT NULL,
    `note` varchar(60) DEFAULT NULL,
    `flags` tinyint(1) DEFAULT 0,
    `placed_on` date NOT NULL,
    `total_cents` bigint GENERATED ALWAYS AS (`total` * 100) STORED,
    PRIMARY KEY (`id`),
    KEY `orders_customer_id_foreign` (`customer_id`),
    KEY `orders_status_index` (`status`),
    CONSTRAINT `orders_customer_id_foreign` FOREIGN KEY (`customer_id`) REFERENCES `customers` (`id`) ON DELETE CASCADE,
    CONSTRAINT `orders_total_check` CHECK (`total` >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO orders (customer_id, total, note, placed_on) SELECT n, n + 0.25, concat('note ', n), '2024-01-01' + INTERVAL n DAY FROM numbers;
CREATE TABLE order_lines (
    order_id bigint unsigned NOT NULL,
    line_no int NOT NULL,
    sku varchar(40) NOT NULL,
    qty int NOT NULL DEFAULT 1,
    price float,
    PRIMARY KEY (order_id, line_no),
    CONSTRAINT order_lines_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE=InnoDB;
INSERT INTO order_lines SELECT n, 1, concat('SKU-', n), 2, n + 0.5 FROM numbers;
CREATE TABLE events (
    id bigint NOT NULL,
    happened_on date NOT NULL,
    kind varchar(30),
    PRIMARY KEY (id, happened_on)
) ENGINE=InnoDB PARTITION BY RANGE (year(happened_on)) (
    PARTITION p2023 VALUES LESS THAN (2024),
    PARTITION p2024 VALUES LESS THAN (2025)
);
INSERT INTO events SELECT n, '2023-06-01' + INTERVAL n * 2 DAY, 'click' FROM numbers;
CREATE TABLE sessions (token varchar(64), user_id int, data blob) ENGINE=InnoDB;
INSERT INTO sessions SELECT concat('t', n), n, 'x' FROM numbers;
CREATE TABLE old_stuff (a int, b varchar(20)) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO old_stuff SELECT n, 'b' FROM numbers;
CREATE VIEW active_customers AS SELECT id, email, name FROM customers WHERE deleted_at IS NULL;
CREATE TRIGGER sessions_fill BEFORE INSERT ON sessions FOR EACH ROW SET NEW.user_id = coalesce(NEW.user_id, 1);
CREATE PROCEDURE purge_sessions() DELETE FROM sessions WHERE false;
