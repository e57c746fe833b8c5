-- ops.runner_requests: what a worker asks of a runner beside its run: a command beside the program, the files of a session.
-- The runner hears of them at each sign of life, and answers each once. ops.runners.pull: how its machine signs in to the
-- registry of its image, sealed for that machine alone, until the image is there.

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.runners add column pull text;
comment on column ops.runners.pull is 'How the machine signs in to the registry of its image, readable by that machine alone, until its files are in place.';

create table ops.runner_requests (
  name text not null references ops.runners (name) on delete cascade,
  key text not null check (length(key) between 1 and 100),
  asked jsonb not null check (jsonb_typeof(asked) = 'object'),
  answer jsonb check (jsonb_typeof(answer) = 'object'),
  asked_at timestamptz not null default now(),
  primary key (name, key)
);
comment on table ops.runner_requests is 'What is asked of a runner beside its run, once for a key, until its sandbox is deleted.';
comment on column ops.runner_requests.name is 'The sandbox.';
comment on column ops.runner_requests.key is 'The key under which it is done at most once.';
comment on column ops.runner_requests.asked is 'What is to be done: op execute (argv, seconds) or archive.';
comment on column ops.runner_requests.answer is 'How it ended; null: not yet.';
comment on column ops.runner_requests.asked_at is 'When it was asked.';

alter table ops.runner_requests enable row level security;
revoke all on ops.runner_requests from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.runner_requests to service_role;
create policy runner_requests_nobody on ops.runner_requests for select to authenticated using (false);

create trigger runner_requests_answered after update on ops.runner_requests for each row
execute function ops_private.notify_runners();

create or replace function ops_private.runner_orders(r ops.runners) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('state', r.state, 'sealed', r.sealed, 'start', r.start_at is not null, 'stop', r.stop_reason,
    'deadline', extract(epoch from r.deadline), 'output_end', r.output_end, 'pull', r.pull,
    'requests', (select coalesce(jsonb_agg(q.asked || jsonb_build_object('key', q.key) order by q.asked_at, q.key), '[]')
      from ops.runner_requests q where q.name = r.name and q.answer is null))
$$;

-- What is in place needs the registry no more.
create function ops_private.forget_pull() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.pull := null;
  return new;
end
$$;
comment on function ops_private.forget_pull() is 'Trigger: a sign-in that is not needed any more is kept nowhere.';
revoke all on function ops_private.forget_pull() from public, anon, authenticated, service_role;

create trigger runners_pulled before update on ops.runners for each row
when (new.pull is not null and (new.state not in ('ordered', 'claimed') or new.boot is distinct from old.boot))
execute function ops_private.forget_pull();

create or replace function ops_private.runner_upload(token text, machine text, path text, digest text, size bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
  wish jsonb := jsonb_build_object('sha256', digest, 'bytes', size);
  wanted boolean := coalesce(r.work -> 'outputs' ? path, false) or exists (
    select 1 from ops.runner_requests q where q.name = r.name and '.wbx-request/' || q.key = path
      and q.answer is null and q.asked ->> 'op' = 'archive');
begin
  if not wanted or digest !~ '^[0-9a-f]+$' or length(digest) <> 64 or size < 0 then
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

create function ops_private.runner_answer(token text, machine text, key text, answer jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
begin
  if jsonb_typeof(answer) is distinct from 'object' or length(answer::text) > 262144 then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: an answer is a document, not too long');
  end if;
  update ops.runner_requests q set answer = runner_answer.answer
  where q.name = r.name and q.key = runner_answer.key and q.answer is null;
  update ops.runners u set heartbeat_at = now() where u.name = r.name;
  return jsonb_build_object('state', r.state);
end
$$;
comment on function ops_private.runner_answer(text, text, text, jsonb) is 'Answers what was asked under a key. The first word counts.';
revoke all on function ops_private.runner_answer(text, text, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_answer(text, text, text, jsonb) to authenticated;

create function ops.runner_answer(token text, machine text, key text, answer jsonb) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_answer(token, machine, key, answer) $$;
comment on function ops.runner_answer(text, text, text, jsonb) is 'See ops_private.runner_answer.';
revoke all on function ops.runner_answer(text, text, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.runner_answer(text, text, text, jsonb) to authenticated;
