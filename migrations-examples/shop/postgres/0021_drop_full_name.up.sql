-- Good. The end of the way that 0014 began: no release reads full_name any more. It is still a
-- drop, so a person vouches for it, and Downhaul keeps the column's values all the same.

-- downhaul:phase contract
DROP TRIGGER customers_sync_name ON customers;
DROP FUNCTION customers_sync_name();

-- downhaul:allow drop-column, drop-loses-data "the release of 2026-10 reads display_name only"
ALTER TABLE customers DROP COLUMN full_name;
