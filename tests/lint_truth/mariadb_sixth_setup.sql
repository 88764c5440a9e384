-- A veterinary clinic: the schema on which the cases of mariadb_sixth.tsv are measured, with rows in
-- every table. The clock stands still, so that two of it are the same.
SET SESSION timestamp = 1700000000;
CREATE TABLE numbers (n int NOT NULL PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200) SELECT n FROM up;
CREATE TABLE settings (
    name varchar(100) NOT NULL,
    value text NOT NULL,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO settings (name, value) VALUES ('clinic_name', 'Four Paws'), ('opening', '08-18'), ('slot_minutes', '20'), ('legacy_mode', '0'), ('mail_from', 'post@paws.example');
CREATE TABLE staff (
    id int unsigned NOT NULL AUTO_INCREMENT,
    email varchar(190) NOT NULL,
    name varchar(100) NOT NULL,
    role enum('nurse','vet','reception') NOT NULL DEFAULT 'nurse',
    password_hash varchar(255) DEFAULT NULL,
    last_login datetime DEFAULT NULL,
    created_at timestamp NULL DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY staff_email_unique (email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO staff (email, name, role) SELECT concat('staff', n, '@paws.example'), concat('Staff ', n), if(n % 2, 'vet', 'nurse') FROM numbers;
CREATE TABLE owners (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    first_name varchar(60) NOT NULL,
    last_name varchar(80) NOT NULL,
    email varchar(190) DEFAULT NULL,
    phone varchar(20) DEFAULT NULL,
    street varchar(120) NOT NULL DEFAULT '',
    postcode char(5) DEFAULT NULL,
    city varchar(60) NOT NULL DEFAULT '',
    newsletter tinyint(1) NOT NULL DEFAULT 0,
    notes text,
    created_at timestamp NULL DEFAULT NULL,
    updated_at timestamp NULL DEFAULT NULL,
    PRIMARY KEY (id),
    KEY owners_email_idx (email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO owners (first_name, last_name, email, phone, postcode, city, newsletter, notes) SELECT concat('First', n), concat('Last', n), if(n % 10 = 0, NULL, concat('owner', n, '@mail.example')), concat('+47', 40000000 + n), lpad(n, 5, '0'), 'Bergen', n % 2, concat('note ', n) FROM numbers;
CREATE TABLE species (
    id smallint unsigned NOT NULL AUTO_INCREMENT,
    name varchar(50) NOT NULL,
    latin varchar(80) DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY species_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO species (name, latin) VALUES ('Dog', 'Canis familiaris'), ('Cat', 'Felis catus'), ('Rabbit', NULL), ('Horse', 'Equus caballus'), ('Parrot', NULL);
CREATE TABLE breeds (
    id int unsigned NOT NULL AUTO_INCREMENT,
    species_id smallint unsigned NOT NULL,
    name varchar(80) NOT NULL,
    PRIMARY KEY (id),
    KEY breeds_species_fk (species_id),
    CONSTRAINT breeds_species_fk FOREIGN KEY (species_id) REFERENCES species (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO breeds (species_id, name) SELECT 1 + n % 5, concat('Breed ', n) FROM numbers WHERE n <= 60;
CREATE TABLE animals (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    owner_id bigint unsigned NOT NULL,
    species_id smallint unsigned NOT NULL,
    breed_id int unsigned DEFAULT NULL,
    name varchar(60) NOT NULL,
    name_key varchar(60) AS (lower(name)) STORED,
    sex enum('m','f','u') NOT NULL DEFAULT 'u',
    born_on date DEFAULT NULL,
    chip_no char(15) DEFAULT NULL,
    weight_kg decimal(5,2) DEFAULT NULL,
    alive tinyint(1) NOT NULL DEFAULT 1,
    photo mediumblob,
    PRIMARY KEY (id),
    UNIQUE KEY animals_chip_no (chip_no),
    KEY animals_owner (owner_id),
    KEY animals_species (species_id),
    KEY animals_name_key (name_key),
    CONSTRAINT animals_owner_fk FOREIGN KEY (owner_id) REFERENCES owners (id) ON DELETE CASCADE,
    CONSTRAINT animals_species_fk FOREIGN KEY (species_id) REFERENCES species (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO animals (owner_id, species_id, breed_id, name, born_on, chip_no, weight_kg) SELECT n, 1 + n % 5, 1 + n % 60, concat('Bella', n % 50), '2020-02-02', 578000000000000 + n, 4 + n / 10 FROM numbers;
CREATE TABLE visits (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    animal_id bigint unsigned NOT NULL,
    vet_id int unsigned NOT NULL,
    room tinyint unsigned DEFAULT NULL,
    starts_at datetime NOT NULL,
    ends_at datetime DEFAULT NULL,
    status varchar(20) NOT NULL DEFAULT 'booked',
    reason varchar(255) NOT NULL DEFAULT '',
    fee decimal(8,2) NOT NULL DEFAULT 0.00,
    details longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(details)),
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY visits_animal (animal_id),
    KEY visits_vet_start (vet_id, starts_at),
    CONSTRAINT visits_animal_fk FOREIGN KEY (animal_id) REFERENCES animals (id),
    CONSTRAINT visits_vet_fk FOREIGN KEY (vet_id) REFERENCES staff (id),
    CONSTRAINT visits_times_chk CHECK (ends_at >= starts_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO visits (animal_id, vet_id, room, starts_at, ends_at, status, reason, details) SELECT n, n, 1 + n % 4, date_add('2024-03-01 08:00:00', INTERVAL n HOUR), date_add('2024-03-01 08:20:00', INTERVAL n HOUR), if(n % 4 = 0, 'missed', 'done'), concat('reason ', n), '{"triage": "green"}' FROM numbers;
CREATE TABLE treatments (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    visit_id bigint unsigned NOT NULL,
    code varchar(12) NOT NULL DEFAULT '',
    description text NOT NULL,
    quantity int NOT NULL DEFAULT 1,
    price decimal(8,2) NOT NULL,
    PRIMARY KEY (id),
    KEY treatments_visit (visit_id),
    CONSTRAINT treatments_visit_fk FOREIGN KEY (visit_id) REFERENCES visits (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO treatments (visit_id, code, description, price) SELECT n, concat('T', n % 20), concat('treatment ', n), n FROM numbers;
CREATE TABLE medicines (
    id int unsigned NOT NULL AUTO_INCREMENT,
    code varchar(16) NOT NULL,
    name varchar(120) NOT NULL,
    unit varchar(10) NOT NULL DEFAULT 'ml',
    stock int NOT NULL DEFAULT 0,
    expires_on date DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY medicines_code (code)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
INSERT INTO medicines (code, name, stock) SELECT concat('M', n), concat('Medicine ', n), n * 1000 FROM numbers;
CREATE TABLE prescriptions (
    visit_id bigint unsigned NOT NULL,
    medicine_id int unsigned NOT NULL,
    dose varchar(40) NOT NULL,
    PRIMARY KEY (visit_id, medicine_id),
    KEY prescriptions_medicine (medicine_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO prescriptions SELECT n, n, '5 ml' FROM numbers;
CREATE TABLE invoices (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    number varchar(16) NOT NULL,
    owner_id bigint unsigned NOT NULL,
    total decimal(10,2) NOT NULL DEFAULT 0.00,
    state enum('draft','sent','paid') NOT NULL DEFAULT 'draft',
    paid_at timestamp NULL DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY invoices_number (number),
    KEY invoices_owner (owner_id),
    CONSTRAINT invoices_owner_fk FOREIGN KEY (owner_id) REFERENCES owners (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO invoices (number, owner_id, total, state) SELECT concat('2024-', n), n, n * 10, if(n % 2, 'paid', 'sent') FROM numbers;
CREATE TABLE reminders (
    id int unsigned NOT NULL AUTO_INCREMENT,
    animal_id bigint unsigned NOT NULL,
    kind varchar(20) NOT NULL,
    due_on date NOT NULL,
    sent tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    UNIQUE KEY reminders_once (animal_id, kind, due_on)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO reminders (animal_id, kind, due_on) SELECT n, 'vaccine', '2025-01-01' FROM numbers;
CREATE TABLE web_sessions (
    id varchar(128) NOT NULL,
    staff_id int DEFAULT NULL,
    payload text NOT NULL,
    expires_at datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO web_sessions (id, staff_id, payload, expires_at) SELECT sha2(n, 256), n, 'a:0:{}', '2024-05-05 05:05:05' FROM numbers;
CREATE TABLE page_cache (
    cache_key varchar(128) NOT NULL,
    data mediumtext NOT NULL,
    created datetime NOT NULL,
    KEY cache_key_index (cache_key)
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO page_cache SELECT concat('key', n), 'data', '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE audit_log (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    happened datetime NOT NULL,
    staff_id int unsigned DEFAULT NULL,
    action varchar(60) NOT NULL,
    PRIMARY KEY (id, happened)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
PARTITION BY RANGE COLUMNS (happened) (PARTITION p2022 VALUES LESS THAN ('2023-01-01'), PARTITION p2023 VALUES LESS THAN ('2024-01-01'), PARTITION p2024 VALUES LESS THAN ('2025-01-01'));
INSERT INTO audit_log (happened, staff_id, action) SELECT date_add('2022-06-01', INTERVAL n * 4 DAY), n, 'login' FROM numbers;
CREATE TABLE old_appointments (id int unsigned NOT NULL PRIMARY KEY, body text) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO old_appointments SELECT n, concat('appointment ', n) FROM numbers;
CREATE VIEW upcoming_visits AS SELECT v.id, v.starts_at, v.status, a.name AS animal FROM visits v JOIN animals a ON a.id = v.animal_id WHERE v.starts_at > '2024-03-01';
CREATE VIEW owner_animals AS SELECT o.id AS owner_id, o.last_name, a.id AS animal_id, a.name FROM owners o JOIN animals a ON a.owner_id = o.id;
CREATE TRIGGER treatments_fee AFTER INSERT ON treatments FOR EACH ROW UPDATE visits SET fee = fee + NEW.price * NEW.quantity WHERE id = NEW.visit_id;
CREATE PROCEDURE merge_owners(IN kept bigint unsigned, IN gone bigint unsigned)
BEGIN
    UPDATE animals SET owner_id = kept WHERE owner_id = gone;
    UPDATE invoices SET owner_id = kept WHERE owner_id = gone;
    DELETE FROM owners WHERE id = gone;
END;
SET SESSION timestamp = DEFAULT;
