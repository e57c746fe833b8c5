-- ops.runtimes: Approved images, pinned by digest.

create table ops.runtimes (
  like ops_private.resource including defaults including constraints including comments,
  image text generated always as (spec ->> 'image') stored,
  approved boolean generated always as (coalesce(spec -> 'approved' = 'true'::jsonb, false)) stored
);
comment on table ops.runtimes is 'Approved images, pinned by digest.';
comment on column ops.runtimes.image is 'The image, pinned by digest.';
comment on column ops.runtimes.approved is 'Whether the platform team approved it.';
create unique index runtimes_living_name on ops.runtimes (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.runtimes', 'Runtime');
