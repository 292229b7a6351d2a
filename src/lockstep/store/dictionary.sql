-- name: list_columns
-- Every table with what it is, and its columns in order with what they mean; libraries' tables are left out.
-- Locks: none.
select
    c.relname::text,
    obj_description(c.oid),
    exists (
        select 1
        from pg_trigger t
        join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid
            and p.proname = 'refuse_change'
    ),
    c.relkind = 'p',
    a.attname::text,
    format_type(a.atttypid, a.atttypmod),
    a.attnotnull,
    coalesce(col_description(c.oid, a.attnum), '')
from pg_class c
join pg_attribute a
    on a.attrelid = c.oid
    and a.attnum > 0
    and not a.attisdropped
where c.relnamespace = 'public'::regnamespace
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relname <> 'alembic_version'
    and c.relname not like 'procrastinate%%'
order by
    c.relname,
    a.attnum;
