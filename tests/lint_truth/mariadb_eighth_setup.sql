-- A repair shop with monitoring: the schema on which the cases of mariadb_eighth.tsv are measured, with rows in
-- nearly every table. The clock stands still, so that two of it are the same.
SET SESSION timestamp = 1700000000;
CREATE TABLE numbers (n int NOT NULL PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE config (
    id int(11) unsigned NOT NULL AUTO_INCREMENT,
    namespace varchar(64) NOT NULL,
    `key` varchar(64) NOT NULL,
    value text NOT NULL,
    updated timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
    PRIMARY KEY (id),
    UNIQUE KEY namespace (namespace, `key`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO config (namespace, `key`, value) VALUES ('core', 'schema_signature', 'f00d'), ('core', 'upload_dir', '/tmp'), ('core', 'order_by', 'rank ASC'), ('core', 'theme', 'dark');
CREATE TABLE staff (
    staff_id int(11) unsigned NOT NULL AUTO_INCREMENT,
    username varchar(32) NOT NULL,
    passwd varchar(128) DEFAULT NULL,
    email varchar(128) DEFAULT NULL,
    lang varchar(5) DEFAULT NULL,
    signature text,
    is_admin tinyint(1) NOT NULL DEFAULT 0,
    dept_id int(10) unsigned NOT NULL DEFAULT 0,
    preferences text,
    created datetime NOT NULL,
    PRIMARY KEY (staff_id),
    UNIQUE KEY username (username),
    KEY dept_id (dept_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO staff (username, passwd, email, lang, signature, dept_id, preferences, created) SELECT concat('worker', n), concat('hash', n), concat('w', n, '@shop.example'), 'nb_NO', 'Regards', 1 + n % 5, '{}', '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE session (
    sess_id varchar(40) NOT NULL,
    created datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
    changed datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
    ip varchar(15) NOT NULL,
    vars mediumtext NOT NULL,
    PRIMARY KEY (sess_id),
    KEY changed_index (changed)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO session SELECT md5(n), '2024-02-02 02:02:02', '2024-02-02 02:02:02', '10.0.0.1', 'a:1:{}' FROM numbers;
CREATE TABLE department (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    name varchar(100) NOT NULL,
    email_id tinyint(3) unsigned NOT NULL DEFAULT 0,
    flags int(10) unsigned NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO department (name) VALUES ('Bikes'), ('Skis'), ('Boats'), ('Phones'), ('Office');
CREATE TABLE ticket (
    ticket_id int(11) unsigned NOT NULL AUTO_INCREMENT,
    number varchar(20) DEFAULT NULL,
    staff_id int(10) unsigned DEFAULT NULL,
    dept_id int(10) unsigned NOT NULL DEFAULT 0,
    status enum('open','closed','resolved') NOT NULL DEFAULT 'open',
    source enum('Web','Email','Phone') NOT NULL DEFAULT 'Web',
    subject varchar(64) NOT NULL DEFAULT '[no subject]',
    lastmessage datetime DEFAULT NULL,
    lastresponse datetime DEFAULT NULL,
    isoverdue tinyint(1) unsigned NOT NULL DEFAULT 0,
    created datetime NOT NULL,
    updated datetime NOT NULL,
    PRIMARY KEY (ticket_id),
    KEY dept_id (dept_id),
    KEY staff_id (staff_id),
    KEY created (created),
    CONSTRAINT ticket_staff FOREIGN KEY (staff_id) REFERENCES staff (staff_id) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO ticket (number, staff_id, dept_id, status, subject, lastmessage, created, updated) SELECT 1000 + n, n, 1 + n % 5, IF(n % 4 = 0, 'closed', 'open'), concat('Broken thing ', n), '2024-03-03 03:03:03', '2024-03-03 03:03:03', '2024-03-04 04:04:04' FROM numbers;
CREATE TABLE ticket_note (
    note_id int(11) unsigned NOT NULL AUTO_INCREMENT,
    ticket_id int(11) unsigned NOT NULL DEFAULT 0,
    author varchar(32) NOT NULL DEFAULT 'SYSTEM',
    body text NOT NULL,
    format enum('text','html') NOT NULL DEFAULT 'text',
    file_key varchar(86) DEFAULT NULL,
    file_size int(10) unsigned DEFAULT NULL,
    created datetime NOT NULL,
    PRIMARY KEY (note_id),
    KEY ticket_id (ticket_id),
    CONSTRAINT note_ticket FOREIGN KEY (ticket_id) REFERENCES ticket (ticket_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO ticket_note (ticket_id, author, body, file_key, file_size, created) SELECT n, concat('worker', n), concat('Looked at it, ', n), md5(n), n * 10, '2024-03-05 05:05:05' FROM numbers;
CREATE TABLE host (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    object_name varchar(255) NOT NULL,
    object_type enum('object','template','apply') NOT NULL DEFAULT 'object',
    address varchar(64) DEFAULT NULL,
    check_interval varchar(32) DEFAULT NULL,
    flapping_threshold smallint unsigned DEFAULT NULL,
    api_key varchar(40) DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY object_name (object_name),
    UNIQUE KEY api_key (api_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO host (object_name, address, check_interval, flapping_threshold, api_key) SELECT concat('host', n), concat('10.1.1.', n), '60', n, sha1(n) FROM numbers;
CREATE TABLE host_var (
    host_id int(10) unsigned NOT NULL,
    varname varchar(255) NOT NULL COLLATE utf8mb3_bin,
    varvalue text,
    format enum('string','json') DEFAULT NULL,
    PRIMARY KEY (host_id, varname),
    KEY search_idx (varname),
    CONSTRAINT host_var_host FOREIGN KEY (host_id) REFERENCES host (id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO host_var SELECT n, 'os', IF(n % 2 = 0, 'y', 'n'), 'string' FROM numbers;
CREATE TABLE timeperiod_range (
    timeperiod_id int(10) unsigned NOT NULL,
    timeperiod_key varchar(255) NOT NULL,
    timeperiod_value varchar(255) NOT NULL,
    range_type enum('include','exclude') NOT NULL DEFAULT 'include',
    PRIMARY KEY (timeperiod_id, range_type, timeperiod_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO timeperiod_range SELECT n, 'monday', '08:00-16:00', 'include' FROM numbers;
CREATE TABLE import_run (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    source_id int(10) unsigned NOT NULL,
    start_time datetime NOT NULL,
    succeeded enum('y','n') DEFAULT NULL,
    priority smallint unsigned NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY search_idx (source_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO import_run (source_id, start_time, succeeded, priority) SELECT 1 + n % 9, '2024-04-04 04:04:04', 'y', n FROM numbers;
CREATE TABLE import_source (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    source_name varchar(64) NOT NULL,
    provider_class varchar(72) NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO import_source (source_name, provider_class) SELECT concat('Source ', n), 'Ldap' FROM numbers WHERE n < 10;
CREATE TABLE schema_migration (
    schema_version smallint unsigned NOT NULL,
    migration_time datetime NOT NULL,
    PRIMARY KEY (schema_version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO schema_migration SELECT n, '2024-01-01 00:00:00' FROM numbers WHERE n < 120;
CREATE TABLE images (
    id mediumint(8) unsigned NOT NULL AUTO_INCREMENT,
    file varchar(255) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL DEFAULT '',
    name varchar(255) DEFAULT NULL,
    hit int(10) unsigned NOT NULL DEFAULT 0,
    width smallint(9) unsigned DEFAULT NULL,
    height smallint(9) unsigned DEFAULT NULL,
    has_high enum('true') DEFAULT NULL,
    rating_score float(5,2) unsigned DEFAULT NULL,
    added_by mediumint(8) unsigned NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY images_i1 (hit)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3;
INSERT INTO images (file, name, hit, width, height, rating_score) SELECT concat(n, '.jpg'), concat('Photo ', n), n, 800, 600, 3.25 FROM numbers;
CREATE TABLE categories (
    id smallint(5) unsigned NOT NULL AUTO_INCREMENT,
    name varchar(255) NOT NULL DEFAULT '',
    id_uppercat smallint(5) unsigned DEFAULT NULL,
    image_order varchar(128) DEFAULT NULL,
    date_last datetime DEFAULT NULL,
    status enum('public','private') NOT NULL DEFAULT 'public',
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO categories (name, image_order, date_last) SELECT concat('Album ', n), 'hit DESC', '2024-01-01' FROM numbers;
CREATE TABLE user_infos (
    user_id mediumint(8) unsigned NOT NULL,
    nb_image_line tinyint(1) unsigned NOT NULL DEFAULT 5,
    nb_line_page tinyint(3) unsigned NOT NULL DEFAULT 3,
    template varchar(255) NOT NULL DEFAULT 'yoga',
    level tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO user_infos (user_id) SELECT n FROM numbers;
CREATE TABLE `user` (
    id int NOT NULL AUTO_INCREMENT,
    created_ts timestamp NOT NULL DEFAULT current_timestamp(),
    username varchar(256) NOT NULL,
    role varchar(256) NOT NULL DEFAULT 'USER',
    avatar_url mediumtext NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `user` (username, avatar_url) SELECT concat('u', n), '/a.png' FROM numbers;
CREATE TABLE memo (
    id int NOT NULL AUTO_INCREMENT,
    resource_name varchar(256) NOT NULL,
    creator_id int NOT NULL,
    content text NOT NULL,
    tags longtext DEFAULT NULL,
    visibility varchar(256) NOT NULL DEFAULT 'PRIVATE',
    PRIMARY KEY (id),
    UNIQUE KEY resource_name (resource_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO memo (resource_name, creator_id, content) SELECT hex(n), n, concat('Memo ', n) FROM numbers;
CREATE TABLE memo_organizer (memo_id int NOT NULL, user_id int NOT NULL, pinned int NOT NULL DEFAULT 0, UNIQUE KEY memo_user (memo_id, user_id)) ENGINE=InnoDB;
INSERT INTO memo_organizer SELECT n, n, 1 FROM numbers;
CREATE TABLE cache (
    user_id int(10) unsigned NOT NULL,
    cache_key varchar(128) NOT NULL,
    expires datetime DEFAULT NULL,
    data longtext NOT NULL,
    PRIMARY KEY (user_id, cache_key),
    CONSTRAINT cache_user FOREIGN KEY (user_id) REFERENCES staff (staff_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO cache SELECT n, 'k', NULL, 'x' FROM numbers;
CREATE TABLE api_log (
    id bigint NOT NULL AUTO_INCREMENT,
    at datetime NOT NULL,
    path varchar(100) NOT NULL,
    PRIMARY KEY (id, at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 PARTITION BY RANGE (year(at)) (PARTITION y2023 VALUES LESS THAN (2024), PARTITION y2024 VALUES LESS THAN (2025), PARTITION later VALUES LESS THAN MAXVALUE);
INSERT INTO api_log (at, path) SELECT IF(n % 2 = 0, '2023-05-05', '2024-05-05'), concat('/', n) FROM numbers;
CREATE TABLE empty_queue (id int NOT NULL AUTO_INCREMENT, payload text, PRIMARY KEY (id)) ENGINE=InnoDB;
CREATE VIEW open_tickets AS SELECT ticket_id, number, subject, staff_id FROM ticket WHERE status = 'open';
CREATE TRIGGER ticket_touch BEFORE UPDATE ON ticket FOR EACH ROW SET NEW.updated = '2024-12-12 12:12:12';
CREATE FUNCTION overdue(since datetime) RETURNS tinyint DETERMINISTIC RETURN since < '2024-01-01';
