-- UN. A spelling mistake in a directive must not go unseen.
-- Downhaul says: unknown-directive

-- downhaul:pahse expand
ALTER TABLE accounts ADD COLUMN theme TEXT;
