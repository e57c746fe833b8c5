-- What a runner says of a file is proven (decision 194): a worker gives a challenge with each upload, the runner answers with a
-- digest of challenge and bytes, and whoever reads the bytes computes the same. Beside that: since when nobody uses a session,
-- and one file of what runs as a request.

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.runners add column idle_since timestamptz;
comment on column ops.runners.idle_since is 'Since when no program works there and no file changes, as its supervisor sees it; null: it is used, or nobody says.';

create or replace function ops_private.runner_upload(token text, machine text, path text, digest text, size bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
  wish jsonb := jsonb_build_object('sha256', digest, 'bytes', size);
  wanted boolean := coalesce(r.work -> 'outputs' ? path, false) or exists (
    select 1 from ops.runner_requests q where q.name = r.name and '.wbx-request/' || q.key = path
      and q.answer is null and q.asked ->> 'op' in ('archive', 'read'));
begin
  if not wanted or digest !~ '^[0-9a-f]+$' or length(digest) <> 64 or size < 0 then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: only declared outputs are uploaded, by their sha256');
  end if;
  if (r.wishes -> path) - 'proof' is distinct from wish then
    update ops.runners u set wishes = u.wishes || jsonb_build_object(path, wish), uploads = u.uploads - path,
      heartbeat_at = now()
    where u.name = r.name returning u.* into r;
  end if;
  return r.uploads -> path;
end
$$;

create function ops_private.runner_prove(token text, machine text, path text, proof text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
begin
  if proof !~ '^[0-9a-f]+$' or length(proof) <> 64 or not r.uploads ? path or not r.wishes ? path then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'runner: a proof is of what was signed, 64 hexadecimal digits');
  end if;
  update ops.runners u set wishes = jsonb_set(u.wishes, array[path, 'proof'], to_jsonb(proof)), heartbeat_at = now()
  where u.name = r.name;
  return r.uploads -> path;
end
$$;
comment on function ops_private.runner_prove(text, text, text, text) is 'That the runner has the bytes that it wished to upload: their digest with the challenge that was given with the upload.';
revoke all on function ops_private.runner_prove(text, text, text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_prove(text, text, text, text) to authenticated;

create function ops_private.runner_used(token text, machine text, says text, idle_since double precision) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r ops.runners := ops_private.runner_of(token, machine, false);
begin
  update ops.runners u set idle_since = case when runner_used.idle_since between 0 and 1e11
    then least(to_timestamp(runner_used.idle_since), now()) end
  where u.name = r.name;
  return ops_private.runner_heartbeat(token, machine, says);
end
$$;
comment on function ops_private.runner_used(text, text, text, double precision) is 'A sign of life that also says since when nobody uses what runs (seconds since 1970; null: it is used).';
revoke all on function ops_private.runner_used(text, text, text, double precision) from public, anon, authenticated, service_role;
grant execute on function ops_private.runner_used(text, text, text, double precision) to authenticated;

create function ops.runner_prove(token text, machine text, path text, proof text) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_prove(token, machine, path, proof) $$;
comment on function ops.runner_prove(text, text, text, text) is 'See ops_private.runner_prove.';
create function ops.runner_used(token text, machine text, says text, idle_since double precision) returns jsonb
language sql set search_path = '' as $$ select ops_private.runner_used(token, machine, says, idle_since) $$;
comment on function ops.runner_used(text, text, text, double precision) is 'See ops_private.runner_used.';
revoke all on function ops.runner_prove(text, text, text, text), ops.runner_used(text, text, text, double precision)
  from public, anon, authenticated, service_role;
grant execute on function ops.runner_prove(text, text, text, text), ops.runner_used(text, text, text, double precision)
  to authenticated;
