ALTER TABLE customers ADD COLUMN phone varchar(40);
ALTER TABLE customers ADD COLUMN marketing_opt_in boolean NOT NULL DEFAULT false;
