-- Two ways to keep an audience. Names of columns are those of the target's defaults.
create schema marts;

-- By changes: each row says whether its key is a member, and when that was last decided.
create table marts.beta_users (
    context_key text primary key,
    is_member boolean not null,
    updated_at timestamptz not null default now()
);

insert into marts.beta_users (context_key, is_member)
values ('ann', true), ('ben', true), ('cem', false), ('dan', true);

-- As a whole: the view lists the members alone, and says on each row how many there are. Where
-- there are none, one row without a key says so, or an empty audience would look like a failure.
create table marts.users (
    user_id bigint primary key,
    plan text not null
);

insert into marts.users (user_id, plan)
values (1, 'pro'), (2, 'free'), (3, 'pro');

create view marts.premium_users as
with members as (
    select user_id::text as context_key from marts.users where plan = 'pro'
)

select context_key, count(*) over () as audience_size from members
union all
select null, 0 where not exists (select from members);
