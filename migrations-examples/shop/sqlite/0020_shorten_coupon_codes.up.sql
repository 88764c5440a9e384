-- Bad. The codes are cut off for good, and two codes that differ only after the eighth character
-- end it all. With Downhaul the old codes come back.
-- Downhaul says: unbounded-delete-update

UPDATE coupons SET code = substr(code, 1, 8);
