-- Good. A value more; nothing uses it in the same transaction, which PostgreSQL would refuse.

ALTER TYPE coupon_kind ADD VALUE 'free_shipping';
