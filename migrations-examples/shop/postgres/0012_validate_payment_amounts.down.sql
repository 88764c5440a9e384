-- PostgreSQL has no "unvalidate": the constraint is made again as it was.

ALTER TABLE payments DROP CONSTRAINT payments_amount_check;
ALTER TABLE payments
    ADD CONSTRAINT payments_amount_check CHECK (amount_cents > 0) NOT VALID;
