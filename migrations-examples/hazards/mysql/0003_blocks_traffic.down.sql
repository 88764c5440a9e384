ALTER TABLE entries DROP FOREIGN KEY entries_account_fk;
ALTER TABLE entries CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
ALTER TABLE entries MODIFY amount decimal(12,4) NOT NULL;
