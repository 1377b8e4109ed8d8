"""Validation of records that never quotes their values."""

from __future__ import annotations

import sys
from typing import Any

from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks.core import JSONSchemaValidator

from target_launchdarkly.errors import InvalidRecordError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class QuietValidator(JSONSchemaValidator):
    """Says which rule a record breaks, without its values."""

    @override
    def validate(self, record: dict[str, Any]) -> None:
        try:
            super().validate(record)
        except InvalidRecord as error:
            broken: Any = error.__cause__
            where = ".".join(map(str, broken.path)) or "the record"
            raise InvalidRecordError(
                f"the stream's schema rejects '{where}' (rule '{broken.validator}')."
            ) from None
