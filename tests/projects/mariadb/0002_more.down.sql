DROP TABLE `odd ``name`;
DROP TABLE reading;
DROP TABLE setting;
DROP TABLE journal;
