-- ops.artifacts: pointers to stored bytes, each with its sha256. A table that is there already is adopted (decision 050):
-- a row whose key is 'sha256/' and its sha256 is ours.

do $$
begin
  if to_regclass('ops.artifacts') is null then
    return;
  end if;
  perform ops_private.adopt('ops.artifacts', 'key = ''sha256/'' || sha256', 'id uuid|bigint|integer|text',
    'run_id text|varchar|uuid', 'project_id uuid', 'name text|varchar', 'bucket text|varchar',
    'key text|varchar', 'bytes bigint', 'media_type text|varchar', 'sha256 text|varchar',
    'created_at timestamptz', 'removed_at timestamptz');
  if (select atttypid = 'uuid'::regtype and not atthasdef from pg_catalog.pg_attribute
      where attrelid = 'ops.artifacts'::regclass and attname = 'id') then
    alter table ops.artifacts alter column id set default gen_random_uuid();
  end if;
  alter table ops.artifacts add constraint artifacts_ours check ((key = 'sha256/' || sha256) is not true or coalesce(
    sha256 ~ '^[0-9a-f]{64}$' and id is not null and name <> '' and bucket is not null and bytes >= 0
    and media_type is not null and created_at is not null
    and (run_id is null or run_id::text = run_id::text::uuid::text), false)) not valid;
  create unique index artifacts_ours_key on ops.artifacts ((run_id::text), name) where key = 'sha256/' || sha256;
end
$$;

create table if not exists ops.artifacts (
  id uuid primary key default gen_random_uuid(),
  run_id text collate "C" check (run_id = run_id::uuid::text),
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

select ops_private.guard('ops.artifacts');
grant select, insert, update on ops.artifacts to service_role;

do $$
begin
  insert into ops.artifacts (run_id, name, bucket, key, bytes, media_type, sha256, created_at)
  select run, n::text, 'probe', 'sha256/' || repeat('0', 64), 0, 'text/plain', repeat('0', 64), now()
  from gen_random_uuid() as run cross join generate_series(1, 2) as n;
  raise exception using errcode = 'WX000', message = 'undo';
exception
  when sqlstate 'WX000' then
    null;
  when others then
    raise exception 'ops.artifacts does not take the rows of WorkbenchX: %; mend that, or rename the table (alter table ops.artifacts rename to ...), then migrate again', sqlerrm;
end
$$;
