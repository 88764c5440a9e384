-- Bad. Nothing by hand can bring the rows back. Downhaul's restore point can.

SELECT 'the sessions are gone';
