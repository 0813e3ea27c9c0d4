-- Nodes that keep blobs in a cloud.
ALTER TABLE nodes DROP CONSTRAINT nodes_medium_check;
ALTER TABLE nodes ADD CONSTRAINT nodes_medium_check CHECK (medium IN ('disk', 's3', 'dropbox'));
