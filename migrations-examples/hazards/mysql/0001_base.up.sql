-- The tables that the hazards happen to.

CREATE TABLE accounts (
    id         bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email      varchar(200) NOT NULL,
    full_name  varchar(200) NOT NULL,
    plan       enum('free', 'basic', 'gold') NOT NULL DEFAULT 'free',
    note       text,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB;

CREATE TABLE entries (
    id         bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    account_id bigint NOT NULL,
    amount     decimal(12,4) NOT NULL,
    reference  varchar(100),
    KEY entries_account_id_idx (account_id)
) ENGINE=InnoDB;

CREATE TABLE tokens (
    token      varchar(64) NOT NULL PRIMARY KEY,
    account_id bigint NOT NULL,
    KEY tokens_account_id_idx (account_id),
    CONSTRAINT tokens_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id)
) ENGINE=InnoDB;
