-- Bad. Nothing by hand can make them whole.

SELECT 'the codes stay short';
