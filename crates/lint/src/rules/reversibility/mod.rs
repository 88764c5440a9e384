pub(super) mod missing_down;
