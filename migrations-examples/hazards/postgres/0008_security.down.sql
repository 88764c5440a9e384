DROP FUNCTION account_count();
REVOKE ALL ON accounts FROM PUBLIC;
