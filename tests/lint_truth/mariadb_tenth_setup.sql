-- A club that hosts games, keeps articles and photographs, watches its sensors and shortens links: the schema on which
-- the cases of mariadb_tenth.tsv are measured, with rows in nearly every table. The clock stands still, so that two of
-- it are the same.
SET SESSION timestamp = 1700000000;
CREATE TABLE numbers (n int NOT NULL PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE `migrations` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `migration` varchar(255) NOT NULL, `batch` int(11) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO migrations (migration, batch) SELECT concat('2023_01_01_', lpad(n, 6, '0'), '_m'), 1 FROM numbers WHERE n <= 30;
CREATE TABLE `panel_settings` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `key` varchar(191) NOT NULL, `value` text NOT NULL, PRIMARY KEY (`id`), UNIQUE KEY `settings_key_unique` (`key`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO panel_settings (`key`, `value`) VALUES ('settings::app:name', 'Games'), ('settings::mail:host', 'smtp.club.example'), ('settings::app:locale', 'nb');
CREATE TABLE `players` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `external_id` varchar(191) DEFAULT NULL,
    `uuid` char(36) NOT NULL,
    `username` varchar(191) NOT NULL,
    `email` varchar(191) NOT NULL,
    `name_first` varchar(191) DEFAULT NULL,
    `name_last` varchar(191) DEFAULT NULL,
    `password` text NOT NULL,
    `remember_token` varchar(191) DEFAULT NULL,
    `language` char(5) NOT NULL DEFAULT 'en',
    `root_admin` tinyint(3) unsigned NOT NULL DEFAULT 0,
    `use_totp` tinyint(3) unsigned NOT NULL,
    `totp_secret` text DEFAULT NULL,
    `gravatar` tinyint(1) NOT NULL DEFAULT 1,
    `created_at` timestamp NULL DEFAULT NULL,
    `updated_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `users_uuid_unique` (`uuid`),
    UNIQUE KEY `users_email_unique` (`email`),
    UNIQUE KEY `users_username_unique` (`username`),
    KEY `users_external_id_index` (`external_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO players (external_id, uuid, username, email, name_first, name_last, password, remember_token, use_totp, totp_secret, created_at) SELECT concat('x', n), concat('u-', n), concat('player', n), concat('p', n, '@club.example'), 'Ola', concat('Nordmann ', n), 'hash', 'tok', 0, IF(n % 3 = 0, 's', NULL), '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE `nodes` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `public` smallint(5) unsigned NOT NULL,
    `name` varchar(191) NOT NULL,
    `fqdn` varchar(191) NOT NULL,
    `scheme` varchar(191) NOT NULL DEFAULT 'https',
    `memory` int(10) unsigned NOT NULL,
    `disk` int(10) unsigned NOT NULL,
    `daemonSecret` char(36) NOT NULL,
    `created_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `nodes_daemonsecret_unique` (`daemonSecret`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO nodes (public, name, fqdn, memory, disk, daemonSecret) SELECT 1, concat('Node ', n), concat('n', n, '.club.example'), 4096, 100000, concat('secret', n) FROM numbers WHERE n <= 10;
CREATE TABLE `servers` (
    `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
    `uuidShort` char(8) NOT NULL,
    `node_id` int(10) unsigned NOT NULL,
    `name` varchar(191) NOT NULL,
    `description` text DEFAULT NULL,
    `suspended` tinyint(3) unsigned NOT NULL DEFAULT 0,
    `owner_id` int(10) unsigned NOT NULL,
    `memory` int(10) unsigned NOT NULL,
    `swap` int(11) NOT NULL DEFAULT 0,
    `startup` text NOT NULL,
    `image` varchar(191) NOT NULL,
    `installed` tinyint(3) unsigned NOT NULL DEFAULT 0,
    `pack_id` int(10) unsigned DEFAULT NULL,
    `database_limit` int(10) unsigned DEFAULT 0,
    `created_at` timestamp NULL DEFAULT NULL,
    `updated_at` timestamp NULL DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `servers_uuidshort_unique` (`uuidShort`),
    KEY `servers_node_id_foreign` (`node_id`),
    KEY `servers_pack_id_index` (`pack_id`),
    CONSTRAINT `servers_node_id_foreign` FOREIGN KEY (`node_id`) REFERENCES `nodes` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO servers (uuidShort, node_id, name, description, owner_id, memory, startup, image, installed, pack_id, created_at) SELECT concat('s', n), 1 + n % 10, concat('Server ', n), 'Blocks', n, 1024, 'java -jar', 'java:17', IF(n % 9 = 0, 2, 1), IF(n % 2 = 0, n, NULL), '2024-02-01 00:00:00' FROM numbers;
CREATE TABLE `server_variables` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `server_id` int(10) unsigned DEFAULT NULL, `env` varchar(60) NOT NULL, `variable_value` text NOT NULL, PRIMARY KEY (`id`), KEY `server_variables_server_id_foreign` (`server_id`), CONSTRAINT `server_variables_server_id_foreign` FOREIGN KEY (`server_id`) REFERENCES `servers` (`id`) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO server_variables (server_id, env, variable_value) SELECT n, 'MAX_PLAYERS', '20' FROM numbers;
CREATE TABLE `allocations` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `node_id` int(10) unsigned NOT NULL, `ip` varchar(191) NOT NULL, `port` mediumint(8) unsigned NOT NULL, `server_id` int(10) unsigned DEFAULT NULL, PRIMARY KEY (`id`), UNIQUE KEY `allocations_node_id_ip_port_unique` (`node_id`, `ip`, `port`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO allocations (node_id, ip, port, server_id) SELECT 1 + n % 10, '10.0.0.5', 25000 + n, n FROM numbers;
CREATE TABLE `failed_jobs` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `connection` text NOT NULL, `queue` text NOT NULL, `payload` longtext NOT NULL, `failed_at` timestamp NOT NULL DEFAULT current_timestamp(), PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO failed_jobs (connection, queue, payload, failed_at) SELECT 'redis', 'standard', '{}', '2024-01-01 00:00:00' FROM numbers WHERE n <= 60;
CREATE TABLE `wb_entry` (
    `id` int(11) NOT NULL AUTO_INCREMENT,
    `user_id` int(11) DEFAULT NULL,
    `title` longtext DEFAULT NULL,
    `url` longtext DEFAULT NULL,
    `is_archived` tinyint(1) NOT NULL,
    `is_starred` tinyint(1) NOT NULL,
    `content` longtext DEFAULT NULL,
    `created_at` datetime NOT NULL,
    `updated_at` datetime NOT NULL,
    `mimetype` varchar(255) DEFAULT NULL,
    `language` varchar(255) DEFAULT NULL,
    `reading_time` int(11) DEFAULT NULL,
    `domain_name` varchar(255) DEFAULT NULL,
    `uid` varchar(23) DEFAULT NULL,
    `http_status` varchar(3) DEFAULT NULL,
    `is_public` tinyint(1) DEFAULT 0,
    PRIMARY KEY (`id`),
    UNIQUE KEY `uniq_uid` (`uid`),
    KEY `IDX_user` (`user_id`),
    KEY `created_at` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO wb_entry (user_id, title, url, is_archived, is_starred, content, created_at, updated_at, mimetype, language, reading_time, domain_name, uid, http_status) SELECT n, concat('Article ', n), concat('https://news.example/', n), n % 2, 0, 'Text', '2024-03-01', '2024-03-02', 'text/html', 'en', IF(n % 8 = 0, NULL, 3), 'news.example', IF(n % 4 = 1, concat('uid', n), NULL), '200' FROM numbers;
CREATE TABLE `wb_tag` (`id` int(11) NOT NULL AUTO_INCREMENT, `label` longtext NOT NULL, `slug` varchar(128) NOT NULL, PRIMARY KEY (`id`), UNIQUE KEY `UNIQ_slug` (`slug`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO wb_tag (label, slug) SELECT concat('Label ', n), concat('label-', n) FROM numbers;
CREATE TABLE `wb_entry_tag` (`entry_id` int(11) NOT NULL, `tag_id` int(11) NOT NULL, PRIMARY KEY (`entry_id`, `tag_id`), KEY `IDX_entry_tag_tag` (`tag_id`), CONSTRAINT `FK_entry_tag_entry` FOREIGN KEY (`entry_id`) REFERENCES `wb_entry` (`id`), CONSTRAINT `FK_entry_tag_tag` FOREIGN KEY (`tag_id`) REFERENCES `wb_tag` (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO wb_entry_tag SELECT n, n FROM numbers;
CREATE TABLE `wb_internal_setting` (`name` varchar(255) NOT NULL, `value` varchar(255) DEFAULT NULL, `section` varchar(255) DEFAULT NULL, PRIMARY KEY (`name`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO wb_internal_setting VALUES ('share_public', '1', 'entry'), ('download_pictures', '1', 'entry'), ('piwik_host', 'v2.example', 'analytics');
CREATE TABLE `dashboard` (
    `id` bigint(20) NOT NULL AUTO_INCREMENT,
    `version` int(11) NOT NULL,
    `slug` varchar(189) NOT NULL,
    `title` varchar(189) NOT NULL,
    `data` mediumtext DEFAULT NULL,
    `org_id` bigint(20) NOT NULL,
    `created` datetime NOT NULL,
    `updated` datetime NOT NULL,
    `gnet_id` bigint(20) DEFAULT NULL,
    `plugin_id` varchar(189) DEFAULT NULL,
    `folder_id` bigint(20) NOT NULL DEFAULT 0,
    `is_folder` tinyint(1) NOT NULL DEFAULT 0,
    `uid` varchar(40) DEFAULT NULL,
    PRIMARY KEY (`id`),
    UNIQUE KEY `UQE_dashboard_org_id_uid` (`org_id`, `uid`),
    KEY `IDX_dashboard_org_id` (`org_id`),
    KEY `IDX_dashboard_gnet_id` (`gnet_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO dashboard (version, slug, title, data, org_id, created, updated, plugin_id, uid) SELECT 1, concat('dash-', n), concat('Dash ', n), '{}', 1 + n % 4, '2024-04-01', '2024-04-02', IF(n % 10 = 0, 'app', NULL), concat('d', n) FROM numbers;
CREATE TABLE `alert_rule` (`id` bigint(20) NOT NULL AUTO_INCREMENT, `org_id` bigint(20) NOT NULL, `title` varchar(190) NOT NULL, `condition` varchar(190) NOT NULL, `data` mediumtext NOT NULL, `uid` varchar(40) NOT NULL DEFAULT '0', `no_data_state` varchar(15) NOT NULL DEFAULT 'NoData', `for` bigint(20) NOT NULL DEFAULT 0, `labels` text DEFAULT NULL, `dashboard_id` bigint(20) DEFAULT NULL, PRIMARY KEY (`id`), UNIQUE KEY `UQE_alert_rule_org_id_uid` (`org_id`, `uid`), KEY `IDX_alert_rule_org_id_title` (`org_id`, `title`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO alert_rule (org_id, title, `condition`, data, uid, dashboard_id) SELECT 1, concat('Too hot ', n), 'A', '[]', concat('r', n), n FROM numbers;
CREATE TABLE `data_source` (`id` bigint(20) NOT NULL AUTO_INCREMENT, `name` varchar(190) NOT NULL, `type` varchar(255) NOT NULL, `url` varchar(255) NOT NULL, `password` varchar(255) DEFAULT NULL, `basic_auth_password` varchar(255) DEFAULT NULL, `is_default` tinyint(1) NOT NULL, `secure_json_data` text DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO data_source (name, type, url, password, is_default) VALUES ('Main', 'mysql', 'db:3306', 'pw', 1), ('Logs', 'loki', 'http://loki', NULL, 0);
CREATE TABLE `states_meta` (`metadata_id` bigint(20) NOT NULL AUTO_INCREMENT, `entity_id` varchar(255) DEFAULT NULL, PRIMARY KEY (`metadata_id`), UNIQUE KEY `ix_states_meta_entity_id` (`entity_id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO states_meta (entity_id) SELECT concat('sensor.s', n) FROM numbers;
CREATE TABLE `states` (
    `state_id` int(11) NOT NULL AUTO_INCREMENT,
    `entity_id` varchar(255) DEFAULT NULL,
    `state` varchar(255) DEFAULT NULL,
    `attributes` longtext DEFAULT NULL,
    `event_id` int(11) DEFAULT NULL,
    `last_changed` datetime(6) DEFAULT NULL,
    `last_updated` datetime(6) DEFAULT NULL,
    `last_updated_ts` double DEFAULT NULL,
    `old_state_id` int(11) DEFAULT NULL,
    `context_id` varchar(36) DEFAULT NULL,
    `metadata_id` bigint(20) DEFAULT NULL,
    PRIMARY KEY (`state_id`),
    KEY `ix_states_entity_id_last_updated` (`entity_id`, `last_updated`),
    KEY `ix_states_event_id` (`event_id`),
    KEY `ix_states_metadata_id` (`metadata_id`),
    KEY `ix_states_metadata_id_last_updated_ts` (`metadata_id`, `last_updated_ts`),
    CONSTRAINT `states_ibfk_2` FOREIGN KEY (`metadata_id`) REFERENCES `states_meta` (`metadata_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO states (entity_id, state, attributes, event_id, last_changed, last_updated, last_updated_ts, context_id, metadata_id) SELECT concat('sensor.s', n), n, '{}', n, '2024-05-01', '2024-05-01', 1714521600, 'ctx', n FROM numbers;
CREATE TABLE `statistics` (`id` int(11) NOT NULL AUTO_INCREMENT, `created_ts` double DEFAULT NULL, `metadata_id` bigint(20) DEFAULT NULL, `start_ts` double DEFAULT NULL, `mean` double DEFAULT NULL, `sum` float DEFAULT NULL, PRIMARY KEY (`id`), KEY `ix_statistics_start_ts` (`start_ts`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO statistics (created_ts, metadata_id, start_ts, mean, sum) SELECT 1714521600, n, 1714521600 + n, n, n FROM numbers;
CREATE TABLE `albums` (`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT, `title` varchar(100) NOT NULL DEFAULT '', `owner_id` int(11) NOT NULL DEFAULT 0, `description` text DEFAULT NULL, `public` tinyint(1) NOT NULL DEFAULT 0, `password` varchar(100) DEFAULT NULL, `license` varchar(20) DEFAULT 'none', `created_at` timestamp NULL DEFAULT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO albums (title, owner_id, description, password, created_at) SELECT concat('Album ', n), n, 'Summer', IF(n % 20 = 0, 'pw', NULL), '2024-06-01 00:00:00' FROM numbers WHERE n <= 100;
CREATE TABLE `photos` (
    `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
    `title` varchar(100) NOT NULL,
    `description` text DEFAULT NULL,
    `tags` text NOT NULL,
    `owner_id` int(11) NOT NULL DEFAULT 0,
    `type` varchar(30) NOT NULL,
    `size` varchar(20) NOT NULL DEFAULT '',
    `latitude` decimal(10,8) DEFAULT NULL,
    `takestamp` timestamp NULL DEFAULT NULL,
    `star` tinyint(1) NOT NULL DEFAULT 0,
    `thumbUrl` char(37) NOT NULL DEFAULT '',
    `album_id` bigint(20) unsigned DEFAULT NULL,
    `checksum` char(40) NOT NULL,
    `thumb2x` tinyint(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (`id`),
    KEY `photos_album_id_foreign` (`album_id`),
    KEY `photos_checksum_index` (`checksum`),
    CONSTRAINT `photos_album_id_foreign` FOREIGN KEY (`album_id`) REFERENCES `albums` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO photos (title, description, tags, owner_id, type, size, latitude, takestamp, thumbUrl, album_id, checksum) SELECT concat('Photo ', n), 'Sea', 'sea', n, 'image/jpeg', '2 MB', 60.1, '2024-06-02 00:00:00', IF(n % 7 = 0, '', concat('t', n, '.jpg')), 1 + n % 100, sha1(n) FROM numbers;
CREATE TABLE `configs` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, `key` varchar(50) NOT NULL, `value` varchar(200) DEFAULT NULL, `cat` varchar(50) NOT NULL DEFAULT '', `type_range` varchar(20) NOT NULL DEFAULT '0|1', `confidentiality` tinyint(4) NOT NULL DEFAULT 0, PRIMARY KEY (`id`), UNIQUE KEY `configs_key_unique` (`key`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO configs (`key`, `value`, cat) VALUES ('sorting_col', 'takestamp', 'Gallery'), ('lang', 'nb', 'Gallery'), ('update_check_every_days', '3', 'Config'), ('justified_layout', '1', 'Gallery');
CREATE TABLE `Link` (`id` varchar(191) NOT NULL, `domain` varchar(191) NOT NULL, `key` varchar(191) NOT NULL, `url` longtext NOT NULL, `archived` tinyint(1) NOT NULL DEFAULT 0, `expiresAt` datetime(3) DEFAULT NULL, `clicks` int(11) NOT NULL DEFAULT 0, `lastClicked` datetime(3) DEFAULT NULL, `title` varchar(191) DEFAULT NULL, `projectId` varchar(191) DEFAULT NULL, `comments` text DEFAULT NULL, `createdAt` datetime(3) NOT NULL DEFAULT current_timestamp(3), PRIMARY KEY (`id`), UNIQUE KEY `Link_domain_key_key` (`domain`, `key`), KEY `Link_projectId_idx` (`projectId`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO Link (id, domain, `key`, url, clicks, title, projectId, comments, createdAt) SELECT concat('l', n), 'go.club.example', concat('k', n), 'https://x.example', n, 'T', concat('p', n % 9), 'c', '2024-07-01' FROM numbers;
CREATE TABLE `Tag` (`id` varchar(191) NOT NULL, `name` varchar(191) NOT NULL, `color` varchar(191) NOT NULL DEFAULT 'blue', `projectId` varchar(191) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO Tag (id, name, projectId) SELECT concat('t', n), concat('tag', n), concat('p', n % 9) FROM numbers;
CREATE TABLE `oc_filecache` (`fileid` bigint(20) NOT NULL AUTO_INCREMENT, `storage` bigint(20) NOT NULL DEFAULT 0, `path` varchar(4000) COLLATE utf8mb4_bin DEFAULT NULL, `path_hash` varchar(32) COLLATE utf8mb4_bin NOT NULL DEFAULT '', `parent` bigint(20) NOT NULL DEFAULT 0, `name` varchar(250) COLLATE utf8mb4_bin DEFAULT NULL, `size` bigint(20) NOT NULL DEFAULT 0, `mtime` int(11) NOT NULL DEFAULT 0, `etag` varchar(40) COLLATE utf8mb4_bin DEFAULT NULL, PRIMARY KEY (`fileid`), UNIQUE KEY `fs_storage_path_hash` (`storage`, `path_hash`), KEY `fs_parent_name_hash` (`parent`, `name`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=COMPRESSED;
INSERT INTO oc_filecache (storage, path, path_hash, parent, name, size, mtime, etag) SELECT 1, concat('files/', n), md5(n), 1, concat('f', n), n, n, 'e' FROM numbers;
CREATE TABLE `oc_preferences` (`userid` varchar(64) COLLATE utf8mb4_bin NOT NULL DEFAULT '', `appid` varchar(32) COLLATE utf8mb4_bin NOT NULL DEFAULT '', `configkey` varchar(64) COLLATE utf8mb4_bin NOT NULL DEFAULT '', `configvalue` longtext COLLATE utf8mb4_bin DEFAULT NULL, PRIMARY KEY (`userid`, `appid`, `configkey`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO oc_preferences SELECT concat('u', n), 'core', 'lang', 'nb' FROM numbers;
CREATE TABLE `log_visit` (`idvisit` bigint(10) unsigned NOT NULL AUTO_INCREMENT, `idsite` int(10) unsigned NOT NULL, `visit_time` datetime NOT NULL, `referer_keyword` varchar(255) DEFAULT NULL, `location_ip` varbinary(16) NOT NULL, PRIMARY KEY (`idvisit`, `visit_time`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY RANGE COLUMNS (`visit_time`) (PARTITION p2022 VALUES LESS THAN ('2023-01-01'), PARTITION p2023 VALUES LESS THAN ('2024-01-01'), PARTITION p2024 VALUES LESS THAN ('2025-01-01'));
INSERT INTO log_visit (idsite, visit_time, referer_keyword, location_ip) SELECT 1, '2022-12-01' + INTERVAL n * 3 DAY, 'k', 'a' FROM numbers;
CREATE TABLE `wp_options` (`option_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT, `option_name` varchar(191) NOT NULL DEFAULT '', `option_value` longtext NOT NULL, `autoload` varchar(20) NOT NULL DEFAULT 'yes', PRIMARY KEY (`option_id`), UNIQUE KEY `option_name` (`option_name`)) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3;
INSERT INTO wp_options (option_name, option_value) SELECT concat('opt', n), 'v' FROM numbers;
CREATE TABLE `audit_logs` (`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT, `action` varchar(191) NOT NULL, `metadata` longtext DEFAULT NULL CHECK (json_valid(`metadata`)), `at` datetime NOT NULL DEFAULT current_timestamp(), PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO audit_logs (action, metadata, at) SELECT 'server:start', '{}', '2024-01-01' FROM numbers;
CREATE TRIGGER servers_audit AFTER UPDATE ON servers FOR EACH ROW INSERT INTO audit_logs (action) VALUES ('server:update');
CREATE TRIGGER link_clicks BEFORE UPDATE ON Link FOR EACH ROW SET NEW.lastClicked = '2024-08-08';
CREATE VIEW running_servers AS SELECT id, uuidShort, name, owner_id FROM servers WHERE suspended = 0 AND installed = 1;
CREATE FUNCTION short_url(k varchar(191)) RETURNS varchar(220) DETERMINISTIC RETURN concat('https://go.club.example/', k);
CREATE PROCEDURE forget_visits(before_day datetime) DELETE FROM log_visit WHERE visit_time < before_day;
