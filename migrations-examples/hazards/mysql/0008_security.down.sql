DROP USER 'reporting'@'localhost';
