-- BC. The release that is still running reads full_name, and writes the plan that goes away.
-- Downhaul says: rename-column, change-enum

ALTER TABLE accounts CHANGE full_name name varchar(200) NOT NULL;
ALTER TABLE accounts MODIFY plan enum('free', 'gold') NOT NULL DEFAULT 'free';
