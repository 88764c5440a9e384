-- SE. Everybody may do everything; whoever can create a table can make the function call theirs.
-- Downhaul says: grant-to-public, security-definer-search-path

GRANT ALL ON accounts TO PUBLIC;

CREATE FUNCTION account_count() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
    'SELECT count(*) FROM accounts';
