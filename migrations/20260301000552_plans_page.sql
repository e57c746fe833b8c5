-- Kept plans a page at a time: ops.plans_for_me ends at a hundred.

set lock_timeout = '5s';
set statement_timeout = '60s';

create function ops_private.plans_page(seen timestamptz, behind text, most integer)
returns table (id text, destroy_token text, complete boolean, "commit" text, document jsonb, run_id uuid,
  created_at timestamptz, last_seen_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select k.id, m.document ->> 'destroy_token', k.complete, k."commit", m.document, k.run_id, k.created_at, k.last_seen_at
  from (select * from ops.plans p
        where (seen is null or p.last_seen_at < seen or (p.last_seen_at = seen and p.id > behind))
          and (select ops_private.is_member())
        order by p.last_seen_at desc, p.id limit least(greatest(most, 0), 101)) k
  cross join lateral (select ops_private.masked_plan(k.document)) m(document)
  order by k.last_seen_at desc, k.id
$$;
comment on function ops_private.plans_page(timestamptz, text, integer) is 'Kept plans behind a place in the list (null: from its beginning), as the caller may see them.';
revoke all on function ops_private.plans_page(timestamptz, text, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.plans_page(timestamptz, text, integer) to authenticated;

create function ops.plans_page(seen timestamptz default null, behind text default '', most integer default 20)
returns table (id text, destroy_token text, complete boolean, "commit" text, document jsonb, run_id uuid,
  created_at timestamptz, last_seen_at timestamptz)
language sql stable set search_path = '' as $$ select * from ops_private.plans_page(seen, behind, most) $$;
comment on function ops.plans_page(timestamptz, text, integer) is 'Kept plans, the latest first, behind the one that was last seen then and has that id (null: from the beginning); as ops.plans_for_me.';
revoke all on function ops.plans_page(timestamptz, text, integer) from public, anon, authenticated, service_role;
grant execute on function ops.plans_page(timestamptz, text, integer) to authenticated;
