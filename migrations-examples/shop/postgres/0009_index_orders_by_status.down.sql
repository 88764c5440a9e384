-- Bad too: DROP INDEX takes an AccessExclusiveLock on the table, and waits for it behind every
-- long query while all others wait behind it.

DROP INDEX orders_status_idx;
