"""Errors to plant: of big segments, their exports and their imports."""

from __future__ import annotations

from planted_error import Planted

#: Of who is a member.
LOOKS = [
    Planted(
        "a file that is cut is trusted",
        "segments/exports.py",
        '    return "not to be trusted"\n',
        '    return "whole"\n',
        only="big",
    ),
    Planted(
        "a header is a member",
        "segments/exports.py",
        '        return "with a header"\n',
        '        return "whole"\n',
        only="big",
    ),
    Planted(
        "the first line is a header always",
        "segments/exports.py",
        '        return "whole"\n',
        '        return "with a header"\n',
        only="big",
    ),
    Planted(
        "whoever came meanwhile leaves",
        "segments/bigplans.py",
        "        if self._first is None:\n",
        "        if self._first is not members:\n",
        8_000,
        only="big",
    ),
    Planted(
        "nobody looks who is a member",
        "segments/bigplans.py",
        "        if members == 0:\n            return self._seen(planner, KeySet())\n",
        "        if members is not None:\n            return self._unseen(planner)\n",
        only="big",
    ),
    Planted(
        "changes are never looked at",
        "segments/bigplans.py",
        "        if not is_worth_it:\n",
        "        if True:\n",
        8_000,
        only="big",
    ),
    Planted(
        "the token goes where the file lies",
        "api/transfers.py",
        "self.client.session_for(url,",
        "self.client.session_for(self.client.api_url,",
        only="big",
    ),
]

#: Of what follows.
DIFFERENCES = [
    Planted(
        "who is not named leaves by changes",
        "segments/bigplans.py",
        "compare = from_snapshot if is_snapshot else from_changes",
        "compare = from_snapshot",
        8_000,
        only="big",
    ),
    Planted(
        "who is spared joins",
        "audience/difference.py",
        "if key not in members and place & WORD == IN]",
        "if key not in members and place & WORD != OUT]",
        8_000,
        only="big",
    ),
    Planted(
        "members are sent again",
        "audience/difference.py",
        "if key not in members and place & WORD == IN]",
        "if place & WORD == IN]",
        8_000,
        only="big",
    ),
    Planted(
        "whoever is out is not excluded",
        "segments/bigplans.py",
        '        if policy.removal_action == "exclude":\n            self.outside',
        "        if False:\n            self.outside",
        8_000,
        only="big",
    ),
    Planted(
        "who cannot be added stays for ever",
        "segments/bigplans.py",
        "from_words(words).without(left_out.refused, joining=left_out.excluded)",
        "from_words(words).without(left_out.refused | left_out.excluded)",
        8_000,
        only="big",
    ),
    Planted(
        "strangers count for the guard",
        "audience/difference.py",
        "members_leaving=sum(key in first for key in out)",
        "members_leaving=len(out)",
        8_000,
        only="big",
    ),
    Planted(
        "who joins comes before who leaves",
        "segments/sending.py",
        "changes = chain(self.removals(plan, policy), additions)",
        "changes = chain(additions, self.removals(plan, policy))",
        only="big",
    ),
]

#: Of imports.
IMPORTS = [
    Planted(
        "all members are replaced though they can be seen",
        "segments/bigplans.py",
        "            return self._seen(planner, KeySet())\n        try:\n",
        "            return self._seen(planner, KeySet())\n"
        "        if self._requests.may_replace:\n"
        "            return self._replacing(planner, members)\n"
        "        try:\n",
        only="big",
    ),
    Planted(
        "all members are replaced unasked",
        "segments/bigplans.py",
        "            if self._requests.may_replace:\n",
        "            if True:\n",
        only="big",
    ),
    Planted(
        "an import that replaces all members spares nobody",
        "segments/bigplans.py",
        "    if plan.spared:\n",
        "    if False:\n",
        20_000,
        only="big",
    ),
    Planted(
        "an import that replaces all members is not guarded",
        "segments/bigplans.py",
        "members=members or 0, members_leaving=left)",
        "members=members or 0, members_leaving=0)",
        8_000,
        only="big",
    ),
    Planted(
        "an import that was stopped is complete",
        "api/transfers.py",
        '            if status == "complete":\n',
        '            if status in {"complete", "stopped"}:\n',
        8_000,
        only="big",
    ),
    Planted(
        "an import that waits for an approval is complete",
        "api/transfers.py",
        '            if status == "complete":\n',
        '            if status in {"complete", "pending_approval"}:\n',
        8_000,
        only="big",
    ),
    Planted(
        "an import looks past who is excluded by hand",
        "segments/costs.py",
        "    if has_excluded:\n        return False\n",
        "",
        8_000,
        only="big",
    ),
]
BIGS = [*LOOKS, *DIFFERENCES, *IMPORTS]
