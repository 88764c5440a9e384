--! Previous: sha1:05e8837e8c19b940348765970364730210925d26
--! Hash: sha1:4e9de945db3b0d25105ba83dc799e41a8c1dd075
--! Message: add-country

ALTER TABLE customers ADD COLUMN country text;
