-- Good, the first of two steps. NOT VALID binds new rows at once and reads no old ones.
-- The running release must not write such rows any more, which Downhaul reminds of.
-- Downhaul says: add-constraint-on-old-writers

ALTER TABLE payments
    ADD CONSTRAINT payments_amount_check CHECK (amount_cents > 0) NOT VALID;
