-- Good, the second step, in a transaction of its own. Reads the whole table under a lock that
-- lets reads and writes pass.

ALTER TABLE payments VALIDATE CONSTRAINT payments_amount_check;
