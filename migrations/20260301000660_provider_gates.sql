-- ops.provider_gates: what all workers obey together when they call a provider. One row per adapter that was ever limited, asked
-- us to slow down, or failed; no row: the way is free.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.provider_objects add column found_at timestamptz;
comment on column ops.provider_objects.found_at is 'Since when it lies in quarantine because no row explains it. Null also of what we let go: that is never removed by itself.';

create table ops.provider_gates (
  provider text primary key,
  held_until timestamptz,
  minute timestamptz,
  taken integer not null default 0 check (taken >= 0),
  opens integer not null default 0 check (opens >= 0),
  opened_at timestamptz,
  retry_at timestamptz,
  probe_until timestamptz,
  message text not null default '',
  updated_at timestamptz not null default now(),
  constraint provider_gates_open check ((opened_at is null) = (retry_at is null))
) with (fillfactor = 50);
comment on table ops.provider_gates is 'Rate limits and outages of providers, as all workers obey them together.';
comment on column ops.provider_gates.provider is 'The adapter.';
comment on column ops.provider_gates.held_until is 'The provider asked us to slow down: nobody calls it before.';
comment on column ops.provider_gates.minute is 'The minute that taken counts.';
comment on column ops.provider_gates.taken is 'Calls of that minute that workers have reserved.';
comment on column ops.provider_gates.opens is 'How many times in a row the provider was left alone; each pause is longer.';
comment on column ops.provider_gates.opened_at is 'Since when it is left alone because it does not answer; null: it is called.';
comment on column ops.provider_gates.retry_at is 'From when on one worker may try whether it answers again.';
comment on column ops.provider_gates.probe_until is 'One worker tries until then; the others wait.';
comment on column ops.provider_gates.message is 'What the provider said last: one line, no secret.';
comment on column ops.provider_gates.updated_at is 'When it was last held, opened or closed.';

alter table ops.provider_gates enable row level security;
revoke all on ops.provider_gates from public, anon, authenticated, service_role;
grant select on ops.provider_gates to authenticated;
grant select, insert, update on ops.provider_gates to service_role;
create policy provider_gates_members_read on ops.provider_gates for select to authenticated
  using ((select ops_private.is_member()));

create function ops_private.notify_gate_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select provider, held_until, opened_at from changed
             except select provider, held_until, opened_at from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_gate_changed() is 'Trigger: a provider is held, left alone or called again; counting calls wakes nobody.';
revoke all on function ops_private.notify_gate_changed() from public, anon, authenticated, service_role;

create trigger provider_gates_inserted after insert on ops.provider_gates
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger provider_gates_updated after update on ops.provider_gates
referencing old table as before new table as changed for each statement execute function ops_private.notify_gate_changed();
