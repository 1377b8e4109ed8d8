-- The members alone, each row with their number: who is not listed any more leaves.
select
    user_id as context_key,
    count(*) over () as audience_size
from {{ ref('users') }}
where plan in ('pro', 'enterprise')
