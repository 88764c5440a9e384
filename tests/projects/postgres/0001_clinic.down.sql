ALTER TABLE patient DROP CONSTRAINT patient_bed_fkey;
DROP TABLE visit;
DROP TABLE bed;
DROP TABLE patient;
DROP TABLE ward;
DROP TABLE person;
DROP DOMAIN cents;
DROP TYPE place;
DROP TYPE severity;
