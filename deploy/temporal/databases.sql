-- Run once by PostgreSQL, when its volume is empty.
CREATE DATABASE temporal;
CREATE DATABASE temporal_visibility;
CREATE DATABASE dspex;
