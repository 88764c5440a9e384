-- Good. The end of the way that 0011 began: no release reads full_name any more. It is still a
-- drop, so a person vouches for it, and Downhaul keeps the column's values all the same.

-- downhaul:phase contract
DROP TRIGGER customers_sync_changed;
DROP TRIGGER customers_sync_new;

-- downhaul:allow drop-column, drop-loses-data "the release of 2026-10 reads display_name only"
ALTER TABLE customers DROP COLUMN full_name;
