DROP VIEW order_summary;
DROP TABLE coupons;
DROP TYPE coupon_kind;
