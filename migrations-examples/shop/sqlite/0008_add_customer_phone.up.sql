-- Good. A column without a default costs nothing, and the running release does not notice.

ALTER TABLE customers ADD COLUMN phone TEXT;
