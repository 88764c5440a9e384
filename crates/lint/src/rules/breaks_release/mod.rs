pub(super) mod drop_column;
