-- Good. The old rows follow; a second run would find nothing left to do.

-- downhaul:phase backfill
UPDATE customers SET display_name = full_name WHERE display_name IS NULL;
