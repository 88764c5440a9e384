COMMENT ON TABLE customers IS 'People who bought something';
