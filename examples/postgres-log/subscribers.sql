-- An audience that is a table of an application: who has a row is a member, until it is deleted.
create schema if not exists marts;

create table marts.subscribers (
    subscription_id bigint primary key,
    context_key text not null
);

insert into marts.subscribers (subscription_id, context_key)
values (1, 'ann'), (2, 'ben'), (3, 'cem');

-- The log names a deleted row by its primary key alone, and this one is not the context key.
alter table marts.subscribers replica identity full;

-- The slot keeps the log until it is read, for which the server needs wal_level = logical and the
-- plugin wal2json. Drop it with the pipeline, or the disk fills up:
--   select pg_drop_replication_slot('launchdarkly');
select pg_create_logical_replication_slot('launchdarkly', 'wal2json');
