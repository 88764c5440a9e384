-- UN. A spelling mistake in a directive must not go unseen.
-- Downhaul says: unknown-directive

-- downhaul:allow unparsed-statment "a pragma"
ALTER TABLE accounts ADD COLUMN theme TEXT;
