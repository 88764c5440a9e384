-- Bad. TRUNCATE asks nobody: every customer is logged out, and no DELETE trigger fires.
-- Downhaul says: truncate

TRUNCATE sessions;
