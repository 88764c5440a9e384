pub(super) mod index_not_concurrent;
