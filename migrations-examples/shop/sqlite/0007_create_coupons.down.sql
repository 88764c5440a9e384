DROP VIEW order_summary;
DROP TABLE coupons;
