-- Good. A nullable column without a default is a change of the catalog only: the lock is strong
-- but lasts for milliseconds, and the running release does not notice.

ALTER TABLE customers ADD COLUMN phone text;
