-- Which rows had no phone, this down cannot know. Downhaul does.

ALTER TABLE customers ALTER COLUMN phone DROP NOT NULL;
