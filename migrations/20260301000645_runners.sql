-- ops.runners: the desk between a worker and the runner on a machine of a provider. The worker writes what is to be done,
-- the runner, which holds nothing but a token for this one run, reads it and tells how it goes. ops.runner_output: what
-- its program printed, until it is collected.

set lock_timeout = '5s'; set statement_timeout = '60s';

create table ops.runners (
  name text primary key check (length(name) between 1 and 63),
  tags jsonb not null default '{}' check (jsonb_typeof(tags) = 'object'),
  order_hash text not null check (length(order_hash) = 64),
  work jsonb not null check (jsonb_typeof(work) = 'object'),
  state text not null default 'ordered' check (state in ('ordered', 'claimed', 'staged', 'running', 'ended')),
  token_sha256 bytea check (length(token_sha256) = 32),
  token_until timestamptz,
  try_at timestamptz,
  external_id text,
  boot text check (length(boot) between 1 and 100),
  certificate text check (length(certificate) <= 8192),
  sealed text,
  start_at timestamptz,
  stop_reason text,
  deadline timestamptz,
  wishes jsonb not null default '{}',
  uploads jsonb not null default '{}',
  files jsonb not null default '{}',
  report jsonb,
  output_end bigint not null default 0 check (output_end >= 0),
  heartbeat_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table ops.runners is 'One row a sandbox on a machine of its own, from its order until it is deleted: what is to be done, and how it goes.';
comment on column ops.runners.name is 'The name of the sandbox, and of its machine.';
comment on column ops.runners.tags is 'The tags of the sandbox.';
comment on column ops.runners.order_hash is 'The sha256 of what was ordered; another order under the same name is refused.';
comment on column ops.runners.work is 'What the runner is told: image, command, limits, files with links that end.';
comment on column ops.runners.state is 'ordered, claimed by a machine, files staged, running, ended.';
comment on column ops.runners.token_sha256 is 'The sha256 of the token of the try that counts; the token itself is nowhere here.';
comment on column ops.runners.token_until is 'Until when that token is good.';
comment on column ops.runners.try_at is 'When a machine was last asked for; null: it is known that none was made.';
comment on column ops.runners.external_id is 'The id of its machine.';
comment on column ops.runners.boot is 'The boot of the machine that claimed it: another one never gets it.';
comment on column ops.runners.certificate is 'For whom the environment is sealed; its key never leaves the machine.';
comment on column ops.runners.sealed is 'The environment of the command, readable by that machine alone.';
comment on column ops.runners.start_at is 'When the start was ordered, once.';
comment on column ops.runners.stop_reason is 'Why it is to stop.';
comment on column ops.runners.deadline is 'When its whole process tree must have ended.';
comment on column ops.runners.wishes is 'What the runner wants to upload, by path: sha256 and bytes.';
comment on column ops.runners.uploads is 'Signed uploads for that, by path.';
comment on column ops.runners.files is 'What was uploaded, by path: sha256 and bytes.';
comment on column ops.runners.report is 'How it ended.';
comment on column ops.runners.output_end is 'How many bytes of output have come.';
comment on column ops.runners.heartbeat_at is 'When the runner was last heard of.';
comment on column ops.runners.created_at is 'When it was ordered.';
create unique index runners_token on ops.runners (token_sha256);

create table ops.runner_output (
  name text not null references ops.runners (name) on delete cascade,
  at_byte bigint not null check (at_byte >= 0),
  data bytea not null check (length(data) between 1 and 1048576),
  primary key (name, at_byte)
);
comment on table ops.runner_output is 'Output of programs on runners, until their sandbox is deleted: the engine copies it to log_chunks and storage.';
comment on column ops.runner_output.name is 'The sandbox.';
comment on column ops.runner_output.at_byte is 'Where in the output it begins.';
comment on column ops.runner_output.data is 'The bytes.';

alter table ops.runners enable row level security;
alter table ops.runner_output enable row level security;
revoke all on ops.runners, ops.runner_output from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.runners to service_role;
grant select, insert, update, delete on ops.runner_output to service_role;
create policy runners_nobody on ops.runners for select to authenticated using (false);
create policy runner_output_nobody on ops.runner_output for select to authenticated using (false);

create function ops_private.notify_runners() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform pg_notify('ops_runners', '');
  return null;
end
$$;
comment on function ops_private.notify_runners() is 'Trigger: wakes whoever waits for a runner.';
revoke all on function ops_private.notify_runners() from public, anon, authenticated, service_role;

-- Not for each sign of life: nobody waits for that.
create trigger runners_changed after update on ops.runners for each row
when ((old.state, old.wishes, old.output_end, old.report) is distinct from (new.state, new.wishes, new.output_end, new.report))
execute function ops_private.notify_runners();

-- What a runner may do: each takes the token, and the boot of the machine that holds it.

create function ops_private.runner_of(token text, machine text, claiming boolean) returns ops.runners
language plpgsql security definer set search_path = '' as $$
declare
  found_row ops.runners;
begin
  select r.* into found_row from ops.runners r
  where r.token_sha256 = sha256(convert_to(token, 'UTF8')) and r.token_until > now() for update;
  if not found then
    perform ops_private.refuse('42501', 'Forbidden', 'runner: its token is not known, or its time is over');
  end if;
  if found_row.boot is distinct from machine and not (claiming and found_row.boot is null) then
    perform ops_private.refuse('42501', 'Forbidden', 'runner: another boot of a machine holds this run');
  end if;
  return found_row;
end
$$;
comment on function ops_private.runner_of(text, text, boolean) is 'The locked row of a token and the boot that holds it; raises otherwise.';
revoke all on function ops_private.runner_of(text, text, boolean) from public, anon, authenticated, service_role;

create function ops_private.runner_orders(r ops.runners) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('state', r.state, 'sealed', r.sealed, 'start', r.start_at is not null, 'stop', r.stop_reason,
    'deadline', extract(epoch from r.deadline), 'output_end', r.output_end)
$$;
comment on function ops_private.runner_orders(ops.runners) is 'What a runner is told at each sign of life.';
revoke all on function ops_private.runner_orders(ops.runners) from public, anon, authenticated, service_role;

create function ops_private.runner_claim(token text, machine text, certificate text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, true);
begin
  if length(coalesce(machine, '')) not between 1 and 100 or length(coalesce(certificate, '')) not between 1 and 8192 then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: a claim names its boot and a certificate');
  end if;
  if r.boot is null then
    update ops.runners u set boot = machine, certificate = runner_claim.certificate, heartbeat_at = now(),
      state = case when u.state = 'ordered' then 'claimed' else u.state end
    where u.name = r.name returning u.* into r;
  end if;
  return ops_private.runner_orders(r) || jsonb_build_object('name', r.name, 'work', r.work);
end
$$;
comment on function ops_private.runner_claim(text, text, text) is 'Takes the run for the boot of one machine, for ever; its order.';
revoke all on function ops_private.runner_claim(text, text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_claim(text, text, text) to authenticated;

create function ops_private.runner_heartbeat(token text, machine text, says text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
begin
  update ops.runners u set heartbeat_at = now(), state = case
    when u.state = 'claimed' and says = 'staged' then 'staged'
    when u.state = 'staged' and says = 'running' and u.start_at is not null then 'running'
    else u.state end
  where u.name = r.name returning u.* into r;
  return ops_private.runner_orders(r);
end
$$;
comment on function ops_private.runner_heartbeat(text, text, text) is 'A sign of life: how far it is (staged, running); the answer is what to do.';
revoke all on function ops_private.runner_heartbeat(text, text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_heartbeat(text, text, text) to authenticated;

create function ops_private.runner_logs(token text, machine text, at_byte bigint, data bytea) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
  most bigint := coalesce((r.work ->> 'log_limit')::bigint, 0) + 1048576;
begin
  if at_byte <> r.output_end or length(data) = 0 then
    return r.output_end;
  end if;
  if length(data) > 1048576 or r.output_end + length(data) > most then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: more output than this run may have');
  end if;
  insert into ops.runner_output (name, at_byte, data) values (r.name, runner_logs.at_byte, runner_logs.data);
  update ops.runners u set output_end = u.output_end + length(runner_logs.data), heartbeat_at = now() where u.name = r.name;
  return r.output_end + length(data);
end
$$;
comment on function ops_private.runner_logs(text, text, bigint, bytea) is 'Output that begins at this byte; where the next is to begin. What came before, or leaves a gap, is not taken.';
revoke all on function ops_private.runner_logs(text, text, bigint, bytea) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_logs(text, text, bigint, bytea) to authenticated;

create function ops_private.runner_upload(token text, machine text, path text, digest text, size bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
  wish jsonb := jsonb_build_object('sha256', digest, 'bytes', size);
begin
  if not coalesce(r.work -> 'outputs' ? path, false) or digest !~ '^[0-9a-f]+$' or length(digest) <> 64 or size < 0 then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: only declared outputs are uploaded, by their sha256');
  end if;
  if r.wishes -> path is distinct from wish then
    update ops.runners u set wishes = u.wishes || jsonb_build_object(path, wish), uploads = u.uploads - path,
      heartbeat_at = now()
    where u.name = r.name returning u.* into r;
  end if;
  return r.uploads -> path;
end
$$;
comment on function ops_private.runner_upload(text, text, text, text, bigint) is 'Asks for a signed upload of a declared output; null until a worker has signed it.';
revoke all on function ops_private.runner_upload(text, text, text, text, bigint) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_upload(text, text, text, text, bigint) to authenticated;

create function ops_private.runner_finish(token text, machine text, report jsonb, paths text[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
begin
  if jsonb_typeof(report) is distinct from 'object' or length(report::text) > 65536
     or coalesce(report ->> 'state', '') not in ('exited', 'failed') then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: a report says how it ended: exited or failed');
  end if;
  update ops.runners u set state = 'ended', report = runner_finish.report, heartbeat_at = now(), sealed = null,
    files = (select coalesce(jsonb_object_agg(w.key, w.value), '{}') from jsonb_each(u.wishes) w where w.key = any(paths))
  where u.name = r.name and u.state <> 'ended' returning u.* into r;
  return jsonb_build_object('state', 'ended');
end
$$;
comment on function ops_private.runner_finish(text, text, jsonb, text[]) is 'How it ended and what was uploaded; from then on its machine is to be destroyed. The first word counts.';
revoke all on function ops_private.runner_finish(text, text, jsonb, text[]) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_finish(text, text, jsonb, text[]) to authenticated;

-- The doors: they run as whoever calls (decision 055).

create function ops.runner_claim(token text, machine text, certificate text) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_claim(token, machine, certificate) $$;
comment on function ops.runner_claim(text, text, text) is 'See ops_private.runner_claim.';
create function ops.runner_heartbeat(token text, machine text, says text) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_heartbeat(token, machine, says) $$;
comment on function ops.runner_heartbeat(text, text, text) is 'See ops_private.runner_heartbeat.';
create function ops.runner_logs(token text, machine text, at_byte bigint, data bytea) returns bigint
language sql set search_path = '' as $$ select ops_private.runner_logs(token, machine, at_byte, data) $$;
comment on function ops.runner_logs(text, text, bigint, bytea) is 'See ops_private.runner_logs.';
create function ops.runner_upload(token text, machine text, path text, digest text, size bigint) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_upload(token, machine, path, digest, size) $$;
comment on function ops.runner_upload(text, text, text, text, bigint) is 'See ops_private.runner_upload.';
create function ops.runner_finish(token text, machine text, report jsonb, paths text[]) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_finish(token, machine, report, paths) $$;
comment on function ops.runner_finish(text, text, jsonb, text[]) is 'See ops_private.runner_finish.';

revoke all on function ops.runner_claim(text, text, text), ops.runner_heartbeat(text, text, text),
  ops.runner_logs(text, text, bigint, bytea), ops.runner_upload(text, text, text, text, bigint),
  ops.runner_finish(text, text, jsonb, text[]) from public, anon, authenticated, service_role;
grant execute on function ops.runner_claim(text, text, text), ops.runner_heartbeat(text, text, text),
  ops.runner_logs(text, text, bigint, bytea), ops.runner_upload(text, text, text, text, bigint),
  ops.runner_finish(text, text, jsonb, text[]) to authenticated;
