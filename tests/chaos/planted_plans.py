"""Errors to plant: those of the first version brought back, and others of plans and words."""

from __future__ import annotations

from planted_error import Planted

#: What went wrong before the core was drawn anew, brought back.
BROUGHT_BACK = [
    Planted(
        "nobody asks whether a snapshot came whole",
        "checkpoint.py",
        "    refusals = streams.gaps()\n",
        "    refusals: dict[str, list[str]] = {}\n",
    ),
    Planted(
        "a refused segment gets its plan",
        "checkpoint.py",
        "for key, draft in drafts.items() if draft.problems}",
        "for key, draft in drafts.items() if False}",
    ),
    Planted(
        "a refused segment keeps its additions",
        "segments/standard.py",
        "        plans = self.plan(planner)\n        return Draft(",
        "        plans = self.plan(planner)\n"
        "        if not self._requests.is_dry_run and self._judge(plans, planner):\n"
        "            joins = [type(each)(each.context_kind, (), each.joining) for each in plans]\n"
        "            self._send(joins, planner)\n"
        "        return Draft(",
    ),
    Planted(
        "no guard by changes",
        "audience/guard.py",
        "    if plan.members_leaving > FREE_REMOVALS:\n",
        "    if False:\n",
    ),
    Planted(
        "a row without a key that can be read is only counted",
        "sinks.py",
        "            line.stream.completeness.unreadable += 1\n",
        "            pass\n",
    ),
    Planted(
        "a row without a segment that can be read is only counted",
        "sinks.py",
        "            stream.completeness.unreadable += 1\n            target.segments",
        "            target.segments",
    ),
    Planted(
        "the size counts rows",
        "audience/streams.py",
        "feed.keys = feed.voice.count()",
        "feed.keys = feed.rows.count",
    ),
    Planted(
        "a version of the last minute proves",
        "audience/completeness.py",
        "started_at * 1000 < milliseconds <= latest",
        "(started_at - 60) * 1000 < milliseconds <= latest",
    ),
    Planted(
        "of two streams with one name one is enough",
        "audience/streams.py",
        "        return [stream for streams in self._snapshots.values() for stream in streams]",
        "        every = [each for streams in self._snapshots.values() for each in streams]\n"
        "        return [*{each.alias: each for each in every}.values()]",
    ),
    Planted(
        "words are sent as they come",
        "target.py",
        "        if self._max_record_age_in_minutes > self._MAX_RECORD_AGE_IN_MINUTES:\n",
        "        if self._max_record_age_in_minutes >= 0:\n",
    ),
    Planted(
        "who was excluded on leaving stays out",
        "settings.py",
        'return config.get("excluded_key_action") or default',
        'return config.get("excluded_key_action") or "skip"',
    ),
    Planted(
        "nobody looks after a patch of unknown fate",
        "segments/standard.py",
        "        if self._client.has_doubts(self.key):\n            self._look()\n\n",
        "\n",
    ),
    Planted(
        "a patch without an answer raises no doubt",
        "api/client.py",
        "                    self._doubtful[call.segment_key] = self._clock.monotonic()\n",
        "                    pass\n",
    ),
    Planted(
        "nobody looks whether the patches held",
        "segments/standard.py",
        "            if not self._left(planner):\n                return\n",
        "            return\n",
    ),
    Planted(
        "an answer that is older than the last is believed",
        "segments/standard.py",
        "        if shown.age < self._last.age:\n            return False\n",
        "",
    ),
    Planted(
        "a look that shows nothing new counts as one",
        "segments/standard.py",
        "        self._is_unseen = not self.see(self._client.get_segment(self.key))",
        "        self.see(self._client.get_segment(self.key))",
        6_000,
    ),
    Planted(
        "who came while the snapshot was read leaves",
        "audience/plan.py",
        "for key in sight.first if last",
        "for key in sight.included if last",
    ),
    Planted(
        "additions go before removals",
        "segments/standard.py",
        "    return leaving + [change for plan in plans for change in plan.joining]",
        "    return [change for plan in plans for change in plan.joining] + leaving",
    ),
    Planted(
        "an emptied audience cannot be told",
        "sinks.py",
        "        return has_size and is_nobody and whole_number(row.size) == 0",
        "        return False",
    ),
    Planted(
        "a stream that never came is not missed",
        "audience/streams.py",
        "        for alias in self.never_came():\n            yield",
        "        for alias in ():\n            yield",
    ),
]

#: Of plans and words.
PLANS = [
    Planted(
        "exclusions by hand are always lifted",
        "audience/plan.py",
        '        self._lifts = policy.excluded_key_action == "include"',
        "        self._lifts = True",
    ),
    Planted(
        "exclusions by hand are not looked at",
        "audience/plan.py",
        "        if context_key not in self._sight.excluded:\n",
        "        if True:\n",
    ),
    Planted(
        "a member that is excluded as well is touched",
        "audience/plan.py",
        "        if context_key in self._sight.included:\n            return\n",
        "        if context_key in self._sight.included - self._sight.excluded:\n"
        "            return\n",
    ),
    Planted(
        "who is excluded is excluded once more",
        "audience/plan.py",
        "    if excludes and context_key not in sight.excluded:\n",
        "    if excludes:\n",
    ),
    Planted(
        "who is excluded stays included",
        "audience/plan.py",
        '        return (*steps, "exclude")\n',
        '        return ("exclude",)\n',
    ),
    Planted(
        "who is spared leaves a snapshot",
        "audience/plan.py",
        "if last.get(key, OUT) == OUT)",
        "if last.get(key, OUT) != IN)",
    ),
    Planted(
        "who is spared joins by a snapshot",
        "audience/plan.py",
        "        (joins.take if word == IN else",
        "        (joins.take if word != OUT else",
    ),
    Planted(
        "who is flagged false stays in a snapshot",
        "audience/plan.py",
        "if last.get(key, OUT) == OUT)",
        "if key not in last)",
    ),
    Planted(
        "an invalid record by changes unsays the word before",
        "sinks.py",
        "        if self.stream.is_snapshot:\n            line.feed.voice.say(key, SPARED)",
        "        line.feed.voice.say(key, SPARED)",
    ),
    Planted(
        "the first stream has the last word",
        "audience/words.py",
        "            if place > last.get(context_key, 0):\n",
        "            if context_key not in last:\n",
    ),
    Planted(
        "on disk the first word is the last",
        "audience/chunks.py",
        "BETWEEN ? AND ? ORDER BY number",
        "BETWEEN ? AND ? ORDER BY number DESC",
        8_000,
    ),
    Planted(
        "words are lost when the disk is tidied",
        "audience/words.py",
        "                self._write(chunks, voice.number, part, [*last], [*last.values()])\n",
        "",
        8_000,
    ),
    Planted(
        "who joined and left in one input joins, if words come twice",
        "audience/plan.py",
        "context_key in known or context_key in joins.taken):",
        "context_key in known):",
        20_000,
    ),
    Planted(
        "who this run has excluded stays out",
        "audience/plan.py",
        "        elif self._lifts or context_key in self._sight.barred:\n",
        "        elif self._lifts:\n",
    ),
    Planted(
        "who stood in both lists and left stays out",
        "segments/lists.py",
        "            self.uncovered.add(key)\n",
        "            pass\n",
        8_000,
    ),
    Planted(
        "who leaves again is free of an exclusion by hand",
        "audience/plan.py",
        ' == "exclude" or context_key in sight.lifted',
        ' == "exclude"',
    ),
    Planted(
        "a flag false in mode add removes",
        "intake/membership.py",
        '    "add": {True: True, False: None, None: True},',
        '    "add": {True: True, False: False, None: True},',
    ),
    Planted(
        "a flag true in mode remove removes",
        "intake/membership.py",
        '    "remove": {True: None, False: False, None: False},',
        '    "remove": {True: False, False: False, None: False},',
    ),
    Planted(
        "a deleted row is a member",
        "intake/membership.py",
        "        flag = False if is_deleted(row.deleted) else",
        "        flag = True if is_deleted(row.deleted) else",
    ),
    Planted(
        "rows that say how many there are differ unnoticed",
        "intake/ways.py",
        "row.segment, row.size, type(row.size))",
        "row.segment, None, object)",
    ),
    Planted(
        "who stands in lines of another segment is taken for one of the first",
        "intake/ways.py",
        "version, row.segment, row.size",
        "version, None, row.size",
    ),
    Planted(
        "a deleted row among others is a member",
        "intake/ways.py",
        "word is None or row.deleted or not key",
        "word is None or not key",
    ),
]
