"""Errors to plant: of the moments when memberships end."""

from __future__ import annotations

from planted_error import Planted

#: Of moments and expirations.
ENDINGS = [
    Planted(
        "nobody is told when a membership ends",
        "audience/expirations.py",
        '            yield ExpirationChange("add", context_kind, context_key, moment)\n',
        "            continue\n",
    ),
    Planted(
        "a moment that has moved stays where it was",
        "audience/expirations.py",
        "        elif known.ends_ms != moment:\n",
        "        elif False:\n",
    ),
    Planted(
        "who stays for ever leaves all the same",
        "audience/expirations.py",
        "            if known:\n",
        "            if False:\n",
    ),
    Planted(
        "what somebody has said of others is unsaid",
        "audience/expirations.py",
        "        if moment != UNSAID and word != SPARED",
        "        if word != SPARED",
    ),
    Planted(
        "an expiration outlives whom a record takes out",
        "audience/expirations.py",
        "and is_member == (word == IN):",
        "and is_member and word == IN:",
    ),
    Planted(
        "an expiration outlives who is not listed",
        "audience/expirations.py",
        "    wanted = {key: NEVER for key in listed if key in unlisted}\n",
        "    wanted: dict[str, int] = {}\n",
        8_000,
    ),
    Planted(
        "who is excluded by hand shall leave",
        "audience/expirations.py",
        "        is_member = context_key in included\n",
        "        is_member = context_key in included or word == IN\n",
    ),
    Planted(
        "a membership that has ended is one",
        "intake/membership.py",
        "            flag = ends_ms is None or ends_ms > self.now_ms\n",
        "            flag = True\n",
    ),
    Planted(
        "whose flag says no is a member until a moment",
        "intake/membership.py",
        "        if name is not None and flag is not False:\n",
        "        if name is not None:\n",
    ),
    Planted(
        "a big segment takes moments",
        "sinks.py",
        "        if ends_ms is not None and line.tally.is_big:\n",
        "        if False:\n",
    ),
    Planted(
        "voices with and without moments are compared as they are",
        "audience/words.py",
        "    if len({voice.has_moments for voice in voices}) > 1:\n",
        "    if False:\n",
        6_000,
    ),
    Planted(
        "an update does not say of which version",
        "segments/patches.py",
        "    if change.version is not None:\n",
        "    if False:\n",
    ),
    Planted(
        "patches of endings are not full",
        "segments/expiring.py",
        "        limit = self._requests.max_operations\n",
        "        limit = max(1, self._requests.max_operations - 1)\n",
    ),
    Planted(
        "an answer that lags is believed to show endings",
        "segments/expiring.py",
        "                    # An answer that lags.\n                    continue\n",
        "                    of_kind[change.context_key] = Expiration(change.ends_ms or 0, 1)\n",
        6_000,
    ),
    Planted(
        "nobody looks after a patch of endings of unknown fate",
        "segments/expiring.py",
        "            if self._failures or self._client.has_doubts(self._key):\n",
        "            if self._failures:\n",
    ),
    Planted(
        "what fails twice is let be",
        "segments/standard.py",
        "            self._expiring.refuse()\n",
        "            pass\n",
        8_000,
    ),
    Planted(
        "a dry run says when memberships end",
        "segments/standard.py",
        "            self._preview_expirations(plans, planner)\n",
        "            self._settle_expirations(planner)\n",
    ),
]
