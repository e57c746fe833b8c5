-- ops.artifacts: pointers to stored bytes, each with its sha256.

create table ops.artifacts (
  id uuid primary key default gen_random_uuid(),
  run_id uuid,
  project_id uuid,
  name text not null check (name <> ''),
  bucket text not null,
  key text not null,
  bytes bigint not null check (bytes >= 0),
  media_type text not null default 'application/octet-stream',
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  removed_at timestamptz,
  check (key = 'sha256/' || sha256),
  unique (run_id, name)
);
comment on table ops.artifacts is 'What runs left: pointers to content-addressed bytes in storage.';
comment on column ops.artifacts.id is 'Identity of the pointer.';
comment on column ops.artifacts.run_id is 'The run that made it.';
comment on column ops.artifacts.project_id is 'The project whose members may read it.';
comment on column ops.artifacts.name is 'The declared output''s name, or "log".';
comment on column ops.artifacts.bucket is 'Bucket of the storage provider.';
comment on column ops.artifacts.key is 'sha256/<hex>: equal bytes are one object.';
comment on column ops.artifacts.bytes is 'Size.';
comment on column ops.artifacts.media_type is 'Media type, by the file''s name.';
comment on column ops.artifacts.sha256 is 'Digest of the bytes, 64 hex digits.';
comment on column ops.artifacts.created_at is 'When the pointer was recorded.';
comment on column ops.artifacts.removed_at is 'When retention removed the bytes; the pointer stays.';
create index artifacts_project_at on ops.artifacts (project_id, created_at desc);
create index artifacts_sha256 on ops.artifacts (sha256);

alter table ops.artifacts enable row level security;
revoke all on ops.artifacts from public, anon, authenticated, service_role;
grant select on ops.artifacts to authenticated;
grant select, insert, update on ops.artifacts to service_role;
