-- Many segments through one stream: everybody once a plan, and whether it is theirs.
with plans as (
    select column1 as plan from values ('free'), ('pro'), ('enterprise'), ('team')
)

select
    'plan-' || plans.plan as segment_key,
    users.user_id as context_key,
    users.plan = plans.plan as is_member
from plans
cross join {{ ref('users') }} as users
