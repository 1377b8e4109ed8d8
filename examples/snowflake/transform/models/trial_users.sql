-- Nobody is on trial: one row without a key says that this audience is empty and not missing.
with members as (
    select user_id from {{ ref('users') }} where is_on_trial
)

select
    user_id as context_key,
    count(*) over () as audience_size
from members
union all
select null, 0 where not exists (select 1 from members)
