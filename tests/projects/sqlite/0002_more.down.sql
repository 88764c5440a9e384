DROP TRIGGER tidy;
DROP TABLE gone;
DROP TRIGGER stars_less;
DROP TRIGGER stars_more;
ALTER TABLE book DROP COLUMN stars;
DROP TABLE exact;
DROP TABLE setting;
DROP TABLE payment;
DROP TABLE note;
