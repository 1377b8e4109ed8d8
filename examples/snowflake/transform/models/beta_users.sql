-- Everybody, and whether they are a member: a row states each removal.
select
    user_id as context_key,
    coalesce(has_opted_in, false) as is_member
from {{ ref('users') }}
