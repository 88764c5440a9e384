-- Nothing has to be taken back by hand: 0014's down removes the column. A down that does nothing
-- says so with a statement, since an empty file would be taken for a forgotten one.

SELECT 'display_name goes with 0014';
