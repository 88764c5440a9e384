ALTER TABLE customers ADD COLUMN phone text;
ALTER TABLE customers ADD COLUMN marketing_opt_in boolean NOT NULL DEFAULT false;
