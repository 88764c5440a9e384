UPDATE customers SET country = 'NO' WHERE email LIKE '%.no';
