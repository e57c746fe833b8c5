-- squawk-ignore-file require-lock-timeout, require-statement-timeout
create unique index concurrently if not exists webhook_deliveries_body on ops.webhook_deliveries (forge, body_sha256);
