-- A municipality's equipment, hours worked, shared passwords and photographs: the schema on which the cases of
-- mariadb_ninth.tsv are measured, with rows in nearly every table. The clock stands still, so that two of it are the
-- same.
SET SESSION timestamp = 1700000000;
CREATE TABLE numbers (n int NOT NULL PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE `migrations` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `migration` varchar(255) NOT NULL, `batch` int(11) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO migrations (migration, batch) SELECT concat('2024_01_01_', lpad(n, 6, '0'), '_m'), 1 FROM numbers WHERE n <= 40;
CREATE TABLE `settings` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `site_name` varchar(100) NOT NULL DEFAULT 'Equipment',
    `per_page` int(11) NOT NULL DEFAULT 20,
    `qr_text` varchar(32) DEFAULT NULL,
    `alert_email` varchar(255) DEFAULT NULL,
    `ldap_enabled` varchar(191) DEFAULT NULL,
    `webhook_selected` varchar(191) DEFAULT 'slack',
    `webhook_endpoint` text DEFAULT NULL,
    `header_color` varchar(191) DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    `updated_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO settings (qr_text, alert_email, webhook_endpoint, header_color) VALUES ('Belongs to us', 'it@town.example', 'https://hooks.slack.example/1', '#000');
CREATE TABLE `users` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `username` varchar(191) DEFAULT NULL,
    `email` varchar(191) DEFAULT NULL,
    `password` varchar(191) NOT NULL,
    `first_name` varchar(191) DEFAULT NULL,
    `last_name` varchar(191) DEFAULT NULL,
    `phone` varchar(20) DEFAULT NULL,
    `jobtitle` varchar(100) DEFAULT NULL,
    `locale` varchar(10) NOT NULL DEFAULT 'en-US',
    `permissions` text DEFAULT NULL,
    `activated` tinyint(1) NOT NULL DEFAULT 0,
    `location_id` int(11) DEFAULT NULL,
    `manager_id` int(10) unsigned DEFAULT NULL,
    `reset_password_code` varchar(191) DEFAULT NULL,
    `gravatar` varchar(191) DEFAULT NULL,
    `last_login` datetime DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    `updated_at` timestamp NULL DEFAULT NULL,
    `deleted_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `users_username_unique` (`username`),
    KEY `users_reset_password_code_index` (`reset_password_code`),
    KEY `users_location_id_index` (`location_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO users (username, email, password, first_name, last_name, phone, permissions, activated, location_id, manager_id, reset_password_code, gravatar, last_login, created_at) SELECT concat('user', n), concat('u', n, '@town.example'), concat('hash', n), 'Kari', concat('Hansen ', n), concat('47', n), '{"admin":0}', 1, 1 + n % 20, IF(n > 10, 1 + n % 10, NULL), concat('code', n), 'x', '2024-01-05 10:00:00', '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE `locations` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `name` varchar(191) NOT NULL,
    `city` varchar(191) DEFAULT NULL,
    `country` varchar(2) DEFAULT NULL,
    `parent_id` int(11) DEFAULT NULL,
    `currency` varchar(10) DEFAULT NULL,
    `deleted_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO locations (name, city, country, currency) SELECT concat('House ', n), 'Bergen', 'NO', 'NOK' FROM numbers WHERE n <= 20;
CREATE TABLE `models` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `name` varchar(191) NOT NULL,
    `model_number` varchar(191) DEFAULT NULL,
    `eol` int(11) DEFAULT NULL,
    `notes` text DEFAULT NULL,
    `show_mac` tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO models (name, model_number, eol, notes) SELECT concat('Model ', n), concat('M-', n), 36, 'Sturdy' FROM numbers WHERE n <= 100;
CREATE TABLE `assets` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `name` varchar(191) DEFAULT NULL,
    `asset_tag` varchar(191) DEFAULT NULL,
    `model_id` int(10) unsigned DEFAULT NULL,
    `serial` varchar(191) DEFAULT NULL,
    `purchase_date` date DEFAULT NULL,
    `purchase_cost` decimal(8,2) DEFAULT NULL,
    `order_number` varchar(191) DEFAULT NULL,
    `assigned_to` int(11) DEFAULT NULL,
    `assigned_type` varchar(191) DEFAULT NULL,
    `notes` text DEFAULT NULL,
    `image` text DEFAULT NULL,
    `physical` tinyint(1) NOT NULL DEFAULT 1,
    `archived` tinyint(1) DEFAULT 0,
    `status_id` int(11) NOT NULL DEFAULT 1,
    `location_id` int(11) DEFAULT NULL,
    `requestable` tinyint(4) NOT NULL DEFAULT 0,
    `mac_address` varchar(191) DEFAULT NULL,
    `last_checkout` datetime DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    `updated_at` timestamp NULL DEFAULT NULL,
    `deleted_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    KEY `assets_serial_index` (`serial`),
    KEY `assets_assigned_type_assigned_to_index` (`assigned_type`, `assigned_to`),
    CONSTRAINT `assets_model_id_foreign` FOREIGN KEY (`model_id`) REFERENCES `models` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO assets (name, asset_tag, model_id, serial, purchase_date, purchase_cost, order_number, assigned_to, assigned_type, notes, status_id, location_id, mac_address, created_at) SELECT concat('Laptop ', n), concat('A', n), 1 + n % 100, concat('S', n), '2023-03-03', 999.50, concat('PO', n), n, 'App\\Models\\User', 'Scratched', 1 + n % 3, IF(n % 9 = 0, 0, 1 + n % 20), concat('00:', n), '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE `action_logs` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `user_id` int(11) DEFAULT NULL,
    `action_type` varchar(191) NOT NULL,
    `target_id` int(11) DEFAULT NULL,
    `target_type` varchar(191) DEFAULT NULL,
    `note` text DEFAULT NULL,
    `log_meta` text DEFAULT NULL,
    `remote_ip` varchar(45) DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    KEY `action_logs_target_id_index` (`target_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO action_logs (user_id, action_type, target_id, target_type, note, remote_ip, created_at) SELECT n, 'checkout', n, IF(n % 4 = 0, NULL, 'App\\Models\\User'), 'To desk', '10.0.0.1', '2024-02-01 00:00:00' FROM numbers;
CREATE TABLE `oauth_clients` (`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT, `name` varchar(191) NOT NULL, `secret` varchar(100) NOT NULL, `redirect` text NOT NULL, `revoked` tinyint(1) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO oauth_clients (name, secret, redirect, revoked) VALUES ('Portal', 's1', 'https://p.example', 0), ('App', 's2', 'https://a.example', 0);
CREATE TABLE `cache` (`key` varchar(255) NOT NULL, `value` text NOT NULL, `expiration` int(11) NOT NULL, UNIQUE KEY `cache_key_unique` (`key`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO cache SELECT concat('k', n), 'v', 1700000000 + n FROM numbers;
CREATE TABLE `password_resets` (`email` varchar(191) NOT NULL, `token` varchar(191) NOT NULL, `created_at` timestamp NULL DEFAULT NULL, KEY `password_resets_email_index` (`email`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE `work_customers` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `name` varchar(150) NOT NULL,
    `number` varchar(50) DEFAULT NULL,
    `comment` text DEFAULT NULL,
    `visible` tinyint(1) NOT NULL,
    `country` varchar(2) NOT NULL,
    `currency` varchar(3) NOT NULL,
    `budget` double NOT NULL DEFAULT 0,
    `email` varchar(255) DEFAULT NULL,
    PRIMARY KEY (`id`),
    KEY `IDX_visible` (`visible`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO work_customers (name, number, comment, visible, country, currency, email) SELECT concat('Office ', n), n, 'ok', 1, 'NO', 'NOK', concat('c', n, '@town.example') FROM numbers WHERE n <= 50;
CREATE TABLE `work_projects` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `customer_id` int(11) NOT NULL,
    `name` varchar(150) NOT NULL,
    `order_number` tinytext DEFAULT NULL,
    `comment` text DEFAULT NULL,
    `visible` tinyint(1) NOT NULL DEFAULT 1,
    `color` varchar(7) DEFAULT NULL,
    `start` datetime DEFAULT NULL,
    `rate` decimal(10,2) DEFAULT NULL,
    PRIMARY KEY (`id`),
    KEY `IDX_407F12069395C3F3` (`customer_id`),
    CONSTRAINT `FK_407F12069395C3F3` FOREIGN KEY (`customer_id`) REFERENCES `work_customers` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO work_projects (customer_id, name, order_number, comment, color, start, rate) SELECT 1 + n % 50, concat('Project ', n), concat('O', n), 'fine', '#fff', '2024-01-01 00:00:00', 500 FROM numbers;
CREATE TABLE `work_timesheet` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `user` int(10) unsigned NOT NULL,
    `project_id` int(11) NOT NULL,
    `start_time` datetime NOT NULL COMMENT '(DC2Type:datetime)',
    `end_time` datetime DEFAULT NULL,
    `duration` int(11) DEFAULT NULL,
    `description` text DEFAULT NULL,
    `rate` double NOT NULL,
    `internal_rate` double DEFAULT NULL,
    `timezone` varchar(64) NOT NULL,
    `exported` tinyint(1) NOT NULL DEFAULT 0,
    `billable` tinyint(1) DEFAULT 1,
    PRIMARY KEY (`id`),
    KEY `IDX_4F60C6B1166D1F9C` (`project_id`),
    KEY `IDX_4F60C6B18D93D649` (`user`),
    CONSTRAINT `FK_4F60C6B1166D1F9C` FOREIGN KEY (`project_id`) REFERENCES `work_projects` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO work_timesheet (user, project_id, start_time, end_time, duration, description, rate, timezone) SELECT n, n, '2024-03-01 08:00:00', '2024-03-01 10:00:00', 7200, 'Fixed', 1000, 'Europe/Oslo' FROM numbers;
CREATE TABLE `work_preferences` (`id` int(11) NOT NULL AUTO_INCREMENT, `user_id` int(10) unsigned DEFAULT NULL, `name` varchar(50) NOT NULL, `value` varchar(250) DEFAULT NULL, PRIMARY KEY (`id`), UNIQUE KEY `UNIQ_user_name` (`user_id`, `name`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO work_preferences (user_id, name, value) SELECT n, 'theme.layout', 'fixed' FROM numbers;
CREATE TABLE `work_users_teams` (`user_id` int(11) NOT NULL, `team_id` int(11) NOT NULL, PRIMARY KEY (`user_id`, `team_id`), KEY `IDX_team` (`team_id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO work_users_teams SELECT n, 1 + n % 5 FROM numbers;
CREATE TABLE organizations (uuid varchar(40) NOT NULL PRIMARY KEY, name text NOT NULL, billing_email text NOT NULL, private_key text) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO organizations SELECT concat('org', n), concat('Org ', n), 'b@town.example', 'k' FROM numbers WHERE n <= 20;
CREATE TABLE ciphers (
    uuid char(36) NOT NULL PRIMARY KEY,
    created_at datetime NOT NULL,
    updated_at datetime NOT NULL,
    organization_uuid varchar(40) DEFAULT NULL,
    atype int(11) NOT NULL,
    name text NOT NULL,
    notes text DEFAULT NULL,
    data text NOT NULL,
    favorite tinyint(1) NOT NULL DEFAULT 0,
    reprompt int(11) DEFAULT NULL,
    KEY ciphers_org (organization_uuid),
    CONSTRAINT ciphers_ibfk_org FOREIGN KEY (organization_uuid) REFERENCES organizations (uuid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO ciphers (uuid, created_at, updated_at, organization_uuid, atype, name, notes, data, favorite) SELECT concat('c', n), '2024-01-01', '2024-01-02', concat('org', 1 + n % 20), 1, concat('Login ', n), 'n', '{}', n % 2 FROM numbers;
CREATE TABLE attachments (id varchar(40) NOT NULL PRIMARY KEY, cipher_uuid char(36) NOT NULL, file_name text NOT NULL, file_size int(11) NOT NULL, akey text, KEY attachments_cipher (cipher_uuid), CONSTRAINT attachments_ibfk_1 FOREIGN KEY (cipher_uuid) REFERENCES ciphers (uuid)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO attachments SELECT concat('att', n), concat('c', n), 'f.pdf', n * 10, 'k' FROM numbers;
CREATE TABLE devices (uuid char(36) NOT NULL PRIMARY KEY, user_id int(10) unsigned NOT NULL, name text NOT NULL, type int(11) NOT NULL, push_token text, refresh_token text NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO devices SELECT concat('d', n), n, 'Phone', 1, 'p', 'r' FROM numbers;
CREATE TABLE `profiles` (
    `id` bigint(20) unsigned NOT NULL,
    `username` varchar(191) NOT NULL,
    `domain` varchar(191) DEFAULT NULL,
    `bio` varchar(150) DEFAULT NULL,
    `status_count` int(10) unsigned DEFAULT 0,
    `is_private` tinyint(1) NOT NULL DEFAULT 0,
    `profile_layout` varchar(191) DEFAULT NULL,
    `last_fetched_at` timestamp NULL DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `profiles_domain_username_unique` (`domain`, `username`),
    KEY `profiles_username_index` (`username`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO profiles (id, username, domain, bio, status_count, created_at) SELECT n, concat('p', n), 'pix.example', 'Hi', n, '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE `statuses` (
    `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
    `profile_id` bigint(20) unsigned NOT NULL,
    `caption` text DEFAULT NULL,
    `visibility` enum('public','unlisted','private','direct','draft') NOT NULL DEFAULT 'public',
    `likes_count` int(10) unsigned NOT NULL DEFAULT 0,
    `type` varchar(191) DEFAULT NULL,
    `entities` longtext DEFAULT NULL CHECK (json_valid(`entities`)),
    `scheduled_at` datetime DEFAULT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    KEY `statuses_profile_id_index` (`profile_id`),
    KEY `statuses_visibility_index` (`visibility`),
    CONSTRAINT `statuses_profile_id_foreign` FOREIGN KEY (`profile_id`) REFERENCES `profiles` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO statuses (profile_id, caption, type, entities, created_at) SELECT n, concat('Sunset ', n), 'photo', '{"a": 1}', '2024-04-01 00:00:00' FROM numbers;
CREATE TABLE `media` (
    `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
    `status_id` bigint(20) unsigned DEFAULT NULL,
    `media_path` varchar(191) NOT NULL,
    `cdn_url` varchar(191) DEFAULT NULL,
    `mime` varchar(191) DEFAULT NULL,
    `size` int(10) unsigned DEFAULT NULL,
    `orientation` varchar(191) DEFAULT NULL,
    `is_nsfw` tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (`id`),
    UNIQUE KEY `media_media_path_unique` (`media_path`),
    KEY `media_status_id_index` (`status_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO media (status_id, media_path, mime, size) SELECT n, concat('/m/', n, '.jpg'), 'image/jpeg', n * 1000 FROM numbers;
CREATE TABLE `follow_requests` (`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT, `follower_id` bigint(20) unsigned NOT NULL, `following_id` bigint(20) unsigned NOT NULL, `is_rejected` tinyint(1) NOT NULL DEFAULT 0, PRIMARY KEY (`id`), KEY `follow_requests_follower_id_index` (`follower_id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO follow_requests (follower_id, following_id) SELECT n, 1 + n % 200 FROM numbers;
CREATE TABLE `events` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `org_id` int(11) NOT NULL,
    `date` date NOT NULL,
    `info` text COLLATE utf8mb3_bin NOT NULL,
    `uuid` varchar(40) COLLATE utf8mb3_bin NOT NULL,
    `published` tinyint(1) NOT NULL DEFAULT 0,
    `analysis` tinyint(4) NOT NULL,
    `distribution` tinyint(4) NOT NULL DEFAULT 0,
    `sharing_group_id` int(11) NOT NULL DEFAULT 0,
    `publish_timestamp` int(11) NOT NULL DEFAULT 0,
    `org` varchar(255) COLLATE utf8mb3_bin DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `uuid` (`uuid`),
    KEY `info` (`info`(255))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO events (org_id, date, info, uuid, analysis, distribution, sharing_group_id, org) SELECT 1, '2024-01-01', concat('Phish ', n), concat('uuid-', n), 2, n % 5, n % 3, 'own' FROM numbers;
CREATE TABLE `attributes` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `event_id` int(11) NOT NULL,
    `category` varchar(255) COLLATE utf8mb3_bin NOT NULL,
    `type` varchar(100) COLLATE utf8mb3_bin NOT NULL,
    `value1` text COLLATE utf8mb3_bin NOT NULL,
    `to_ids` tinyint(1) NOT NULL DEFAULT 1,
    `comment` text COLLATE utf8mb3_bin DEFAULT NULL,
    `timestamp` int(11) NOT NULL DEFAULT 0,
    PRIMARY KEY (`id`),
    KEY `event_id` (`event_id`),
    KEY `value1_key` (`value1`(255))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO attributes (event_id, category, type, value1) SELECT n, 'Network activity', 'ip-dst', concat('10.1.', n % 200, '.', n) FROM numbers;
CREATE TABLE `logs` (`id` int(11) NOT NULL AUTO_INCREMENT, `title` text COLLATE utf8mb3_bin NOT NULL, `created` datetime NOT NULL, `model` varchar(80) COLLATE utf8mb3_bin NOT NULL, `change` text COLLATE utf8mb3_bin DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO logs (title, created, model, `change`) SELECT concat('Edit ', n), '2024-05-05 05:05:05', 'Event', 'x' FROM numbers;
CREATE TABLE `servers` (`id` int(11) NOT NULL AUTO_INCREMENT, `url` varchar(255) COLLATE utf8mb3_bin NOT NULL, `authkey` varchar(40) COLLATE utf8mb3_bin NOT NULL, `push` tinyint(1) NOT NULL, `lastfetchedid` int(11) DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO servers (url, authkey, push, lastfetchedid) VALUES ('https://one.example/', 'k1', 1, 7), ('https://two.example', 'k2', 0, 8);
CREATE TABLE `roles` (`id` int(11) NOT NULL AUTO_INCREMENT, `name` varchar(100) COLLATE utf8mb3_bin NOT NULL, `perm_add` tinyint(1) DEFAULT NULL, `perm_sync` tinyint(1) DEFAULT NULL, `perm_admin` tinyint(1) DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO roles (name, perm_add, perm_sync, perm_admin) VALUES ('admin', 1, 1, 1), ('user', 1, 0, 0), ('sync', 0, 1, 0);
CREATE TABLE `readings` (
    `sensor_id` int(11) NOT NULL,
    `taken_at` datetime NOT NULL,
    `value` double NOT NULL,
    PRIMARY KEY (`sensor_id`, `taken_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY RANGE (to_days(`taken_at`)) (PARTITION p2024_01 VALUES LESS THAN (to_days('2024-02-01')), PARTITION p2024_02 VALUES LESS THAN (to_days('2024-03-01')), PARTITION p2024_03 VALUES LESS THAN (to_days('2024-04-01')));
INSERT INTO readings SELECT n, '2024-01-01' + INTERVAL n * 8 HOUR, n FROM numbers;
CREATE TABLE `visits` (`id` bigint(20) NOT NULL AUTO_INCREMENT, `day` int(11) NOT NULL, `path` varchar(200) NOT NULL, PRIMARY KEY (`id`, `day`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY RANGE (`day`) (PARTITION p1 VALUES LESS THAN (101), PARTITION p2 VALUES LESS THAN (201), PARTITION prest VALUES LESS THAN MAXVALUE);
INSERT INTO visits (day, path) SELECT n, concat('/', n) FROM numbers;
CREATE TABLE `audit` (`id` bigint(20) NOT NULL AUTO_INCREMENT, `what` varchar(60) NOT NULL, `at` datetime NOT NULL DEFAULT current_timestamp(), PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO audit (what, at) SELECT 'login', '2024-01-01' FROM numbers;
CREATE TRIGGER assets_audit AFTER UPDATE ON assets FOR EACH ROW INSERT INTO audit (what) VALUES ('asset');
CREATE TRIGGER statuses_count AFTER INSERT ON statuses FOR EACH ROW UPDATE profiles SET status_count = status_count + 1 WHERE id = NEW.profile_id;
CREATE VIEW active_users AS SELECT id, username, email, locale FROM users WHERE activated = 1 AND deleted_at IS NULL;
CREATE VIEW hours_by_project AS SELECT project_id, sum(duration) / 3600 AS hours FROM work_timesheet GROUP BY project_id;
CREATE FUNCTION asset_label(tag varchar(191)) RETURNS varchar(200) DETERMINISTIC RETURN concat('#', tag);
