-- Bad. Every customer is logged out; the comment above the line said "expired ones".
-- Downhaul says: unbounded-delete-update

DELETE FROM sessions;
