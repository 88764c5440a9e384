-- RV again: the down beside this file holds a comment and nothing else.

ALTER TABLE accounts ADD COLUMN referrer varchar(100);
