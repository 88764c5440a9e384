ALTER TABLE entries MODIFY amount decimal(14,4) NOT NULL;
ALTER TABLE accounts ADD COLUMN note text AFTER plan;
