-- Who signed a commit: a device, or null for the owner's identity. From the envelope, which names nobody as zeros.
ALTER TABLE commits ADD COLUMN device bytea CHECK (octet_length(device) = 16);
UPDATE commits SET device = nullif(substring(envelope FROM 81 FOR 16), decode(repeat('00', 16), 'hex'));
