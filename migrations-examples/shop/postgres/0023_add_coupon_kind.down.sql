-- PostgreSQL cannot take an enum value away: the type is made again without it. This rewrites
-- coupons, and fails loudly while a row uses the value.

ALTER TYPE coupon_kind RENAME TO coupon_kind_before;
CREATE TYPE coupon_kind AS ENUM ('percent', 'amount');
ALTER TABLE coupons ALTER COLUMN kind TYPE coupon_kind USING kind::text::coupon_kind;
DROP TYPE coupon_kind_before;
