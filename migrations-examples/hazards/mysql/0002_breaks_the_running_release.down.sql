ALTER TABLE accounts MODIFY plan enum('free', 'basic', 'gold') NOT NULL DEFAULT 'free';
ALTER TABLE accounts CHANGE name full_name varchar(200) NOT NULL;
