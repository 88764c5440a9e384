-- Bad. The codes are cut off for good, the primary key is built anew under an
-- AccessExclusiveLock, and two codes that differ only after the eighth character end it all.
-- The down makes the column wide again and leaves the codes cut. With Downhaul the old codes come
-- back.
-- Downhaul says: lossy-cast, change-column-type, type-change-rewrites

ALTER TABLE coupons ALTER COLUMN code TYPE varchar(8) USING left(code, 8);
