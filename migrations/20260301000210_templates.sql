-- ops.templates: Accelerators: parameters, and the resources that they render.

create table ops.templates (
  like ops_private.resource including defaults including constraints including comments,
  title text generated always as (spec ->> 'title') stored
);
comment on table ops.templates is 'Accelerators: parameters, and the resources that they render.';
comment on column ops.templates.title is 'What it makes, for people.';
create unique index templates_living_name on ops.templates (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.templates', 'Template');
