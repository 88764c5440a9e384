-- A museum: the schema on which the cases of mariadb_seventh.tsv are measured, with rows in nearly every
-- table. The clock stands still, so that two of it are the same.
SET SESSION timestamp = 1700000000;
CREATE TABLE numbers (n int NOT NULL PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE configuration (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    name varchar(254) NOT NULL,
    value text,
    date_upd datetime NOT NULL,
    PRIMARY KEY (id),
    KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO configuration (name, value, date_upd) VALUES ('MUSEUM_TIMEZONE', 'Europe/Oslo-New', '2023-01-01 00:00:00'), ('MUSEUM_NAME', 'Folk Museum', '2023-01-01 00:00:00'), ('max_failed_logins', '0', '2023-01-01 00:00:00'), ('schema_version', '41', '2023-01-01 00:00:00');
CREATE TABLE hooks (
    id int(10) unsigned NOT NULL AUTO_INCREMENT,
    name varchar(191) NOT NULL,
    title varchar(255) NOT NULL,
    position tinyint(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (id),
    UNIQUE KEY hook_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO hooks (name, title) VALUES ('displayHeader', 'Header'), ('displayFooter', 'Footer'), ('actionTicketSold', 'Ticket sold');
CREATE TABLE users (
    id int NOT NULL AUTO_INCREMENT,
    username varchar(50) DEFAULT NULL,
    password varchar(255) DEFAULT NULL,
    email varchar(255) DEFAULT NULL,
    name varchar(255) DEFAULT NULL,
    is_admin tinyint(4) DEFAULT 0,
    settings text,
    language char(5) DEFAULT NULL,
    created datetime NOT NULL DEFAULT '2000-01-01 00:00:00',
    PRIMARY KEY (id),
    UNIQUE KEY users_username_idx (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
INSERT INTO users (username, password, email, name, settings) SELECT concat('user', n), concat('hash', n), concat('user', n, '@museum.example'), concat('Name ', n), '{}' FROM numbers;
CREATE TABLE sessions (
    session_id varchar(64) NOT NULL,
    user_id int DEFAULT NULL,
    data mediumtext,
    last_active datetime NOT NULL,
    PRIMARY KEY (session_id),
    KEY sessions_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO sessions SELECT md5(n), n, 'a:1:{}', '2024-02-02 02:02:02' FROM numbers;
CREATE TABLE countries (
    id int NOT NULL AUTO_INCREMENT,
    code_iso char(3) NOT NULL,
    label varchar(80) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uk_countries_code_iso (code_iso)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO countries (code_iso, label) VALUES ('NOR', 'Norway'), ('DEU', 'Germany'), ('FRA', 'France'), ('ITA', 'Italy'), ('GRC', 'Greece');
CREATE TABLE artists (
    id int unsigned NOT NULL AUTO_INCREMENT,
    name varchar(120) NOT NULL,
    alias varchar(255) NOT NULL DEFAULT '',
    fk_pays int DEFAULT NULL,
    born smallint DEFAULT NULL,
    bio text,
    created_by int DEFAULT NULL,
    PRIMARY KEY (id),
    KEY idx_alias (alias),
    KEY idx_pays (fk_pays)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO artists (name, alias, fk_pays, born, bio, created_by) SELECT concat('Artist ', n), concat('artist-', n), 1 + n % 5, 1700 + n, concat('Bio ', n), n FROM numbers;
CREATE TABLE objects (
    id int unsigned NOT NULL AUTO_INCREMENT,
    inventory_no varchar(32) NOT NULL,
    title varchar(200) NOT NULL,
    artist_id int unsigned DEFAULT NULL,
    kind enum('painting','sculpture','tool','textile') NOT NULL DEFAULT 'tool',
    state tinyint(1) NOT NULL DEFAULT 1,
    width_mm int DEFAULT NULL,
    height_mm int DEFAULT NULL,
    value_nok decimal(10,2) NOT NULL DEFAULT 0.00,
    acquired date DEFAULT NULL,
    note varchar(500) NOT NULL DEFAULT '',
    params text NOT NULL,
    old_ref varchar(20) DEFAULT NULL,
    tms timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uk_objects_inventory_no (inventory_no),
    KEY idx_objects_artist (artist_id),
    KEY idx_objects_kind_state (kind, state),
    CONSTRAINT fk_objects_artist FOREIGN KEY (artist_id) REFERENCES artists (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO objects (inventory_no, title, artist_id, kind, width_mm, height_mm, value_nok, acquired, params, old_ref) SELECT concat('NF.', n), concat('Object ', n), n, elt(1 + n % 4, 'painting', 'sculpture', 'tool', 'textile'), n * 10, n * 7, n * 1000, '1990-05-05', '{}', concat('K', n) FROM numbers;
CREATE TABLE locations (
    id int NOT NULL AUTO_INCREMENT,
    ref varchar(30) NOT NULL,
    entity int NOT NULL DEFAULT 1,
    label varchar(255) DEFAULT NULL,
    fk_parent int DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO locations (ref, label, fk_parent) SELECT concat('R', n), concat('Room ', n), 0 FROM numbers WHERE n <= 60;
CREATE TABLE object_moves (
    id bigint NOT NULL AUTO_INCREMENT,
    object_id int unsigned NOT NULL,
    location_id int NOT NULL,
    moved_at datetime NOT NULL,
    moved_by int DEFAULT NULL,
    duration double DEFAULT NULL,
    remark tinytext,
    PRIMARY KEY (id),
    KEY idx_moves_object (object_id),
    KEY idx_moves_date (moved_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO object_moves (object_id, location_id, moved_at, moved_by, duration) SELECT n, 1 + n % 60, date_add('2023-01-01', INTERVAL n HOUR), n, n / 2 FROM numbers;
CREATE TABLE loans (
    id int unsigned NOT NULL AUTO_INCREMENT,
    object_id int unsigned NOT NULL,
    borrower varchar(120) NOT NULL,
    date_out date NOT NULL,
    date_back date DEFAULT NULL,
    success tinyint(1) NOT NULL DEFAULT 0,
    fee float DEFAULT 0,
    PRIMARY KEY (id),
    KEY idx_loans (object_id, date_out),
    CONSTRAINT fk_loans_object FOREIGN KEY (object_id) REFERENCES objects (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO loans (object_id, borrower, date_out, date_back, success) SELECT n, concat('Museum ', n % 12), '2023-03-01', '2023-09-01', n % 2 FROM numbers;
CREATE TABLE exhibitions (
    id int unsigned NOT NULL AUTO_INCREMENT,
    title varchar(150) NOT NULL,
    slug varchar(150) NOT NULL,
    opens date NOT NULL,
    closes date DEFAULT NULL,
    description text,
    team varchar(60) DEFAULT NULL,
    PRIMARY KEY (id),
    KEY slug (slug)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO exhibitions (title, slug, opens, description, team) SELECT concat('Exhibition ', n), concat('exhibition-', n), '2024-01-01', concat('About ', n), 'north' FROM numbers WHERE n <= 50;
CREATE TABLE exhibition_objects (
    exhibition_id int unsigned NOT NULL,
    object_id int unsigned NOT NULL,
    position int NOT NULL DEFAULT 0,
    PRIMARY KEY (exhibition_id, object_id),
    KEY idx_eo_object (object_id),
    CONSTRAINT fk_eo_exhibition FOREIGN KEY (exhibition_id) REFERENCES exhibitions (id) ON DELETE CASCADE,
    CONSTRAINT fk_eo_object FOREIGN KEY (object_id) REFERENCES objects (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO exhibition_objects SELECT 1 + n % 50, n, n FROM numbers;
CREATE TABLE tickets (
    record_id bigint unsigned NOT NULL AUTO_INCREMENT,
    id varchar(36) NOT NULL,
    kind varchar(20) NOT NULL DEFAULT 'adult',
    price decimal(8,2) NOT NULL,
    currency char(3) NOT NULL DEFAULT 'NOK',
    user_id int DEFAULT NULL,
    sold_at datetime NOT NULL,
    details blob,
    ext_payment_id varchar(60) DEFAULT NULL,
    PRIMARY KEY (record_id),
    UNIQUE KEY tickets_id (id),
    KEY tickets_user (user_id, sold_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin;
INSERT INTO tickets (id, kind, price, user_id, sold_at, details) SELECT concat('tk-', n), if(n % 4 = 0, 'child', 'adult'), 120, n, date_add('2024-04-01 10:00:00', INTERVAL n MINUTE), 'x' FROM numbers;
CREATE TABLE web_events (
    event_id varchar(36) NOT NULL,
    session_id varchar(36) NOT NULL,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    url_path varchar(500) NOT NULL,
    hostname varchar(100) DEFAULT NULL,
    PRIMARY KEY (event_id),
    KEY web_events_created_at_idx (created_at),
    KEY web_events_session_created_idx (session_id, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO web_events (event_id, session_id, created_at, url_path) SELECT concat('ev', n), concat('se', n % 40), date_add('2024-06-01', INTERVAL n MINUTE), concat('/page/', n) FROM numbers;
CREATE TABLE web_sessions (
    session_id varchar(36) NOT NULL,
    hostname varchar(100) DEFAULT NULL,
    subdivision1 varchar(20) DEFAULT NULL,
    subdivision2 varchar(50) DEFAULT NULL,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (session_id),
    KEY web_sessions_created_subdivision1_idx (created_at, subdivision1)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO web_sessions (session_id, hostname, subdivision1, subdivision2) SELECT concat('se', n), 'museum.example', 'NO-03', 'Oslo' FROM numbers WHERE n < 40;
INSERT INTO web_sessions (session_id, hostname) VALUES ('se0', 'museum.example');
CREATE TABLE alerts (
    id int NOT NULL AUTO_INCREMENT,
    device_id int NOT NULL,
    rule_id int NOT NULL,
    open tinyint NOT NULL DEFAULT 1,
    time_logged timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY rule_id (rule_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO alerts (device_id, rule_id) SELECT n % 90, 3 FROM numbers;
CREATE TABLE sensors (
    id int unsigned NOT NULL AUTO_INCREMENT,
    hw_id varchar(200) NOT NULL,
    label varchar(50) NOT NULL,
    last_value float DEFAULT NULL,
    disabled tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO sensors (hw_id, label, last_value) SELECT concat('hw', n), concat('Sensor ', n), n FROM numbers;
CREATE TABLE transcripts (
    id int unsigned NOT NULL AUTO_INCREMENT,
    object_id int unsigned NOT NULL,
    body longblob NOT NULL,
    time int unsigned NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO transcripts (object_id, body, time) SELECT n, if(n % 3 = 0, '', 'text'), 1600000000 + n FROM numbers;
CREATE TABLE visitor_log (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    day date NOT NULL,
    visitors int NOT NULL DEFAULT 0,
    PRIMARY KEY (id, day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
PARTITION BY RANGE (to_days(day)) (PARTITION p2022 VALUES LESS THAN (to_days('2023-01-01')), PARTITION p2023 VALUES LESS THAN (to_days('2024-01-01')), PARTITION pmax VALUES LESS THAN MAXVALUE);
INSERT INTO visitor_log (day, visitors) SELECT date_add('2022-06-01', INTERVAL n * 3 DAY), n FROM numbers;
CREATE TABLE favourites_lists (id int unsigned NOT NULL PRIMARY KEY, user_id int NOT NULL, body text) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO favourites_lists SELECT n, n, 'list' FROM numbers;
CREATE TABLE pma_history (id int unsigned NOT NULL PRIMARY KEY, sqlquery text) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE VIEW on_show AS SELECT o.id, o.inventory_no, o.title, e.title AS exhibition FROM objects o JOIN exhibition_objects eo ON eo.object_id = o.id JOIN exhibitions e ON e.id = eo.exhibition_id;
CREATE VIEW open_alerts AS SELECT id, device_id, rule_id FROM alerts WHERE open = 1;
CREATE TRIGGER loans_checks BEFORE INSERT ON loans FOR EACH ROW SET NEW.borrower = trim(NEW.borrower);
CREATE TRIGGER moves_count AFTER INSERT ON object_moves FOR EACH ROW UPDATE objects SET state = 1 WHERE id = NEW.object_id;
CREATE PROCEDURE close_alerts(IN device int)
BEGIN
    UPDATE alerts SET open = 0 WHERE device_id = device;
END;
SET SESSION timestamp = DEFAULT;
