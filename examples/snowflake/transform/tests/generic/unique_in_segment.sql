{% test unique_in_segment(model) %}
select segment_key, context_key
from {{ model }}
group by segment_key, context_key
having count(*) > 1
{% endtest %}
