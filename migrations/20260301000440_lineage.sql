-- Where bytes come from and where they went: commit, run, artifact, model version, endpoint. Runs as its caller.

create index runs_inputs on ops.runs using gin ((document -> 'inputs') jsonb_path_ops)
where operation in ('execute', 'reproduce') and document -> 'inputs' <> '[]';

create function ops_private.lineage_up(node_type text, node text)
returns table (type text, id text, name text, detail jsonb)
language sql stable set search_path = '' as $$
  -- What a node was made from.
  select 'run', r.run_id::text, concat_ws('/', r.kind, r.name),
    jsonb_build_object('namespace', r.namespace, 'operation', r.operation, 'state', r.state, 'output', a.name,
                       'ended_at', r.ended_at)
  from ops.artifacts a join ops.runs r on r.run_id = case when a.key = 'sha256/' || a.sha256 then a.run_id::text::uuid end
  where node_type = 'artifact' and a.sha256 = node and a.key = 'sha256/' || a.sha256
  union all
  select 'commit', c.hash, c.hash, jsonb_build_object('code', r.document #>> '{code,sha256}')
  from ops.runs r cross join lateral (select coalesce(r.document #>> '{code,commit}', r."commit")) c(hash)
  where node_type = 'run' and r.run_id::text = node and c.hash is not null
  union all
  select 'artifact', i.sha256, i.name, jsonb_build_object('path', i.path, 'member', i.member)
  from ops.runs r cross join lateral jsonb_to_recordset(r.document -> 'inputs') as i(sha256 text, name text, path text, member text)
  where node_type = 'run' and r.run_id::text = node and i.sha256 is not null
$$;
comment on function ops_private.lineage_up(text, text) is 'The nodes that one was made from: an artifact by runs, a run from a commit and artifacts.';
revoke all on function ops_private.lineage_up(text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.lineage_up(text, text) to authenticated, service_role;

create function ops_private.lineage_down(node_type text, node text)
returns table (type text, id text, name text, detail jsonb)
language sql stable set search_path = '' as $$
  -- What was made from a node.
  select 'run', r.run_id::text, concat_ws('/', r.kind, r.name),
    jsonb_build_object('namespace', r.namespace, 'operation', r.operation, 'state', r.state, 'ended_at', r.ended_at)
  from ops.runs r
  where node_type = 'artifact' and r.operation in ('execute', 'reproduce') and r.document -> 'inputs' <> '[]'
    and r.document -> 'inputs' @> jsonb_build_array(jsonb_build_object('sha256', node))
  union all
  select 'artifact', a.sha256, a.name, jsonb_build_object('bytes', a.bytes, 'media_type', a.media_type,
    'removed_at', a.removed_at)
  from ops.artifacts a
  where node_type = 'run' and a.run_id::text = node and a.key = 'sha256/' || a.sha256 and a.name <> 'log'
  union all
  select 'model', m.id || '@' || v.version, 'Model/' || m.name || '@' || v.version,
    jsonb_build_object('namespace', m.namespace, 'run_id', v.run_id, 'state', m.state)
  from ops.models m cross join lateral jsonb_to_recordset(
    case when jsonb_typeof(m.resolved) = 'array' then m.resolved else '[]' end) as v(version text, sha256 text, run_id text)
  where node_type = 'artifact' and m.deleted_at is null and v.sha256 = node
  union all
  select 'endpoint', d.id::text, 'ModelDeployment/' || d.name,
    jsonb_build_object('namespace', d.namespace, 'state', d.state, 'ready', d.ready, 'alias', coalesce(d.alias, d.name))
  from ops.models m join ops.model_deployments d
    on d.deleted_at is null and d.namespace = m.namespace and d.model = m.name
  where node_type = 'model' and m.id::text = split_part(node, '@', 1)
    and coalesce(d.spec ->> 'version', m.resolved -> -1 ->> 'version') = substr(node, 38)
  union all
  -- An app serves bytes: of the model that its input names, or of a run directly.
  select 'endpoint', d.id::text, 'AppDeployment/' || d.name,
    jsonb_build_object('namespace', d.namespace, 'state', d.state, 'ready', d.ready, 'url', d.url, 'input', i.name)
  from ops.app_deployments d cross join lateral jsonb_to_recordset(
    case when jsonb_typeof(d.spec -> 'inputs') = 'array' then d.spec -> 'inputs' else '[]' end) as i(name text, "from" text)
  where node_type in ('artifact', 'model') and d.deleted_at is null
    and case when node_type = 'artifact'
      then i."from" not like 'Model/%'
        and split_part(d.facts #>> array['deployed', 'inputs.' || i.name], '/', 1) = node
      else exists (
        select 1 from ops.models m cross join lateral jsonb_to_recordset(m.resolved) as v(version text, sha256 text)
        where m.id::text = split_part(node, '@', 1) and v.version = substr(node, 38) and m.namespace = d.namespace
          and i."from" = 'Model/' || m.name
          and split_part(d.facts #>> array['deployed', 'inputs.' || i.name], '/', 1) = v.sha256)
    end
$$;
comment on function ops_private.lineage_down(text, text) is 'The nodes made from one: of an artifact runs, model versions and apps, of a run artifacts, of a model version endpoints.';
revoke all on function ops_private.lineage_down(text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.lineage_down(text, text) to authenticated, service_role;

create function ops.lineage(sha256 text)
returns table (direction text, depth integer, from_type text, from_id text, to_type text, to_id text, name text,
  detail jsonb)
language plpgsql stable set search_path = '' as $$
declare
  seen text[];
  frontier text[];
  found_edges jsonb;
begin
  if sha256 !~ '^[0-9a-f]{64}$' then
    raise exception using errcode = 'PT400', message = format('lineage: "%s" is not a sha256 of 64 hex digits', left(sha256, 80)),
      detail = 'InvalidDigest';
  end if;
  foreach direction in array array['up', 'down'] loop
    frontier := array['artifact:' || sha256];
    seen := frontier;
    -- Breadth first, each node once; what loops ends, what has no end is cut.
    for level in 1..64 loop
      if direction = 'up' then
        select jsonb_agg(to_jsonb(e) || jsonb_build_object('f', f.node)) into found_edges
        from unnest(frontier) f(node)
        cross join lateral ops_private.lineage_up(split_part(f.node, ':', 1), substr(f.node, position(':' in f.node) + 1)) e;
      else
        select jsonb_agg(to_jsonb(e) || jsonb_build_object('f', f.node)) into found_edges
        from unnest(frontier) f(node)
        cross join lateral ops_private.lineage_down(split_part(f.node, ':', 1), substr(f.node, position(':' in f.node) + 1)) e;
      end if;
      exit when found_edges is null;
      return query
        select lineage.direction, level, split_part(e.f, ':', 1), substr(e.f, position(':' in e.f) + 1), e.type, e.id,
          e.name, jsonb_strip_nulls(e.detail)
        from jsonb_to_recordset(found_edges) as e(f text, type text, id text, name text, detail jsonb)
        order by e.f, e.type, e.name, e.id;
      frontier := array(
        select distinct e.type || ':' || e.id from jsonb_to_recordset(found_edges) as e(type text, id text)
        where e.type || ':' || e.id <> all (seen));
      seen := seen || frontier;
      exit when cardinality(frontier) = 0 or cardinality(seen) > 10000;
    end loop;
  end loop;
end
$$;
comment on function ops.lineage(text) is 'Where an artifact comes from (up: runs, their commits and inputs, and so on) and what was made from it (down: runs, artifacts, model versions, endpoints), one row a step.';
revoke all on function ops.lineage(text) from public, anon, authenticated, service_role;
grant execute on function ops.lineage(text) to authenticated, service_role;
