-- ops.chores: what is done from time to time, by one worker at a time.

create table ops.chores (
  name text primary key check (name ~ '^[a-z]+$'),
  due_at timestamptz not null default '-infinity',
  holder text,
  lease_until timestamptz not null default '-infinity',
  ended_at timestamptz,
  message text not null default ''
);
comment on table ops.chores is 'Housekeeping: one row a chore, claimed with a lease by whichever worker is first.';
comment on column ops.chores.name is 'The chore: anchor, logs, plans or retention.';
comment on column ops.chores.due_at is 'When it is to be done next.';
comment on column ops.chores.holder is 'The worker that does it now, or did last.';
comment on column ops.chores.lease_until is 'Until when nobody else may take it up.';
comment on column ops.chores.ended_at is 'When it was last done to its end.';
comment on column ops.chores.message is 'What was done then, or why it could not be.';
insert into ops.chores (name) values ('anchor'), ('logs'), ('plans'), ('retention');
alter table ops.chores enable row level security;
revoke all on ops.chores from public, anon, authenticated, service_role;
grant select on ops.chores to authenticated;
grant select, update on ops.chores to service_role;
create policy chores_members_read on ops.chores for select to authenticated
  using ((select ops_private.is_member()));
