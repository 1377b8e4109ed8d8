"""Settings under which taps might write, for hypothesis to draw from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

CONFIGS = st.fixed_dictionaries(
    {"invalid_record_action": st.sampled_from(["skip", "skip", "fail"])},
    optional={
        "audience_sync_mode": st.sampled_from(["add", "remove", "mirror", "mirror"]),
        "mirror_source": st.sampled_from(["changes", "changes", "snapshot"]),
        "batch_size_rows": st.sampled_from([1, 2, 3]),
        "removal_action": st.sampled_from(["remove", "exclude"]),
        "excluded_key_action": st.sampled_from(["skip", "include", "fail"]),
        "trust_end_of_input": st.booleans(),
        "max_removal_percent": st.just(100),
        "audience_size_field": st.just("size"),
        "segment_key_field": st.just("segment"),
        "context_kind": st.just("organization"),
        "expires_at_field": st.just("ends"),
    },
)
#: For snapshots that may be whole.
SNAPSHOT = st.fixed_dictionaries(
    {
        "audience_sync_mode": st.just("mirror"),
        "mirror_source": st.just("snapshot"),
        "max_removal_percent": st.just(100),
        "invalid_record_action": st.sampled_from(["skip", "fail"]),
        "trust_end_of_input": st.sampled_from([True, True, False]),
    },
    optional={
        "audience_size_field": st.sampled_from(["size", "SIZE"]),
        "segment_key_field": st.just("segment"),
        "removal_action": st.sampled_from(["remove", "exclude"]),
        "expires_at_field": st.sampled_from(["ends", "ENDS"]),
    },
)
RARE = st.fixed_dictionaries(
    {"invalid_record_action": st.just("skip")},
    optional={
        "audience_sync_mode": st.sampled_from(["add", "remove", "mirror"]),
        "mirror_source": st.sampled_from(["changes", "snapshot"]),
        "trust_end_of_input": st.booleans(),
        "audience_size_field": st.just("size"),
        "segment_key_field": st.sampled_from(["x", "d", "size"]),
        "expires_at_field": st.sampled_from(["ends", "d", "x", "is_member"]),
        "membership_field": st.sampled_from(["is_member", "x", "Is_Member", "isbeta"]),
        "context_key_field": st.sampled_from(["context_key", "Context_Key", "x", "_sdc_sequence"]),
        "stream_maps": st.sampled_from([{"audience": {"x": "'a'"}}, {"other": {"__alias__": "y"}}]),
        "flattening_enabled": st.just(True),
    },
)


def with_depth(config: dict[str, Any]) -> dict[str, Any]:
    return config | ({"flattening_max_depth": 1} if "flattening_enabled" in config else {})


#: Most runs have few settings, or hardly any record would go the short way.
USUAL = st.sampled_from(
    [
        {"audience_sync_mode": "mirror"},
        {"audience_sync_mode": "mirror", "invalid_record_action": "skip"},
        {"invalid_record_action": "skip", "batch_size_rows": 2},
        {"audience_sync_mode": "remove", "invalid_record_action": "skip"},
        {"audience_sync_mode": "mirror", "expires_at_field": "ends"},
    ]
)
ANY_CONFIG = st.one_of(USUAL, USUAL, CONFIGS, CONFIGS, RARE.map(with_depth))
