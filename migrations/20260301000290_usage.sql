-- Money and quota; deliveries of webhooks.

create table ops.usage (
  id uuid primary key default gen_random_uuid(),
  project_id uuid,
  run_id uuid,
  resource_uid uuid,
  provider text not null,
  external_id text,
  from_at timestamptz not null,
  until_at timestamptz not null,
  usd_per_hour numeric(14, 6) not null check (usd_per_hour >= 0),
  cost numeric(14, 6) not null check (cost >= 0),
  check (until_at >= from_at)
);
comment on table ops.usage is 'What was metered, by object and interval.';
comment on column ops.usage.id is 'Identity of the interval.';
comment on column ops.usage.project_id is 'The project that pays.';
comment on column ops.usage.run_id is 'The run that used it.';
comment on column ops.usage.resource_uid is 'The resource that it was for.';
comment on column ops.usage.provider is 'The provider.';
comment on column ops.usage.external_id is 'The object.';
comment on column ops.usage.from_at is 'Begin of the interval.';
comment on column ops.usage.until_at is 'End of the interval.';
comment on column ops.usage.usd_per_hour is 'List price.';
comment on column ops.usage.cost is 'USD.';
create index usage_project_at on ops.usage (project_id, from_at desc);
create index usage_run on ops.usage (run_id);
select ops_private.protect('ops.usage');

create table ops.reservations (
  id uuid primary key default gen_random_uuid(),
  project_id uuid,
  run_id uuid not null,
  usd numeric(14, 6) not null check (usd >= 0),
  quota jsonb not null default '{}',
  until_at timestamptz not null,
  created_at timestamptz not null default now(),
  released_at timestamptz
);
comment on table ops.reservations is 'Money and quota set aside when an intent is recorded.';
comment on column ops.reservations.id is 'Identity of the reservation.';
comment on column ops.reservations.project_id is 'The project that pays.';
comment on column ops.reservations.run_id is 'The run that it is for.';
comment on column ops.reservations.usd is 'USD set aside.';
comment on column ops.reservations.quota is 'Counts set aside.';
comment on column ops.reservations.until_at is 'Renewed each tick until then.';
comment on column ops.reservations.created_at is 'When it was made.';
comment on column ops.reservations.released_at is 'When it was given back.';
create index reservations_open on ops.reservations (project_id) where released_at is null;
create index reservations_project on ops.reservations (project_id, created_at desc);
create index reservations_run on ops.reservations (run_id);
select ops_private.protect('ops.reservations');

create table ops.webhook_deliveries (
  forge text not null,
  delivery_id text not null,
  event text not null,
  received_at timestamptz not null default now(),
  handled_at timestamptz,
  primary key (forge, delivery_id)
);
comment on table ops.webhook_deliveries is 'Deliveries that were seen: each is handled once.';
comment on column ops.webhook_deliveries.forge is 'github or gitea.';
comment on column ops.webhook_deliveries.delivery_id is 'The forge''s id of the delivery.';
comment on column ops.webhook_deliveries.event is 'Its event.';
comment on column ops.webhook_deliveries.received_at is 'When it came.';
comment on column ops.webhook_deliveries.handled_at is 'When it was handled.';
alter table ops.webhook_deliveries enable row level security;
revoke all on ops.webhook_deliveries from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.webhook_deliveries to service_role;
create policy webhook_deliveries_nobody on ops.webhook_deliveries for select to authenticated using (false);
