"""Errors to plant: of the guard, of checkpoints and of requests."""

from __future__ import annotations

from planted_error import Planted

#: Of the guard.
GUARD = [
    Planted(
        "eleven leave by changes unasked",
        "audience/guard.py",
        "FREE_REMOVALS = 10",
        "FREE_REMOVALS = 11",
        8_000,
    ),
    Planted(
        "ten may not leave by changes",
        "audience/guard.py",
        "    if plan.members_leaving > FREE_REMOVALS:\n",
        "    if plan.members_leaving >= FREE_REMOVALS:\n",
        8_000,
    ),
    Planted(
        "ten leave a snapshot unasked",
        "audience/guard.py",
        '        yield plan.members_leaving, plan.members, "when the run began"\n        return\n',
        "        if plan.members_leaving > FREE_REMOVALS:\n"
        '            yield plan.members_leaving, plan.members, "when the run began"\n'
        "        return\n",
    ),
    Planted(
        "the very percentage is too much",
        "audience/guard.py",
        "        if leaving * 100 > members * allowed:\n",
        "        if leaving and leaving * 100 >= members * allowed:\n",
    ),
    Planted(
        "who joined in this run leaves unasked",
        "audience/guard.py",
        "    if plan.joined and leaving > FREE_REMOVALS:\n",
        "    if False:\n",
        20000,
    ),
    Planted(
        "of several percentages the greatest counts",
        "audience/streams.py",
        "        return min(percents, default=None)",
        "        return max(percents, default=None)",
        6_000,
    ),
    Planted(
        "percentages of single streams do not count",
        "audience/streams.py",
        "            stream.settings.max_removal_percent\n",
        "            self._settings.stream.max_removal_percent\n",
    ),
    Planted(
        "the guard counts who is left to leave",
        "audience/plan.py",
        "        if context_key in self._sight.first or context_key in self._sight.joined:\n",
        "        sight = self._sight\n"
        "        if context_key in sight.included & (sight.first | sight.joined):\n",
        20000,
    ),
    Planted(
        "modes without a mirror are guarded",
        "audience/streams.py",
        "            if stream.is_mirror\n            and (feed",
        "            if (feed",
        6_000,
    ),
]

#: Of checkpoints, requests and STATE.
REQUESTS = [
    Planted(
        "a segment that fails stops the others",
        "segments/segments.py",
        "        if len(segments) <= 1:\n",
        "        if len(segments) <= 99:\n",
        6_000,
    ),
    Planted(
        "STATE after a refusal",
        "checkpoint.py",
        "        raise PlanRefusedError(told, [key for key in refusals if key])",
        "        return",
    ),
    Planted(
        "STATE after a failure",
        "checkpoint.py",
        '            error.args = (f"{error} {told}",)\n        raise\n',
        '            error.args = (f"{error} {told}",)\n',
    ),
    Planted(
        "a snapshot is judged in its middle",
        "target.py",
        "        if self.streams.has_snapshot or self.settings.dry_run:\n",
        "        if self.settings.dry_run:\n",
    ),
    Planted(
        "STATE every five minutes without a checkpoint",
        "target.py",
        "            self._make_checkpoint()\n            self.words.compact()\n",
        "            self.words.compact()\n",
    ),
    Planted(
        "a dry run writes STATE",
        "target.py",
        '            self.logger.info("Dry run: STATE is not written.")\n            return\n',
        '            self.logger.info("Dry run: STATE is not written.")\n',
    ),
    Planted(
        "a dry run sends",
        "target.py",
        "            is_dry_run=self.settings.dry_run,",
        "            is_dry_run=False,",
    ),
    Planted(
        "what a created segment holds is not looked at",
        "segments/segments.py",
        "            self._opened.see(shown)\n",
        "",
        8_000,
    ),
    Planted(
        "a refused patch is not planned anew",
        "segments/standard.py",
        "                refusals += 1\n",
        "                raise\n",
    ),
    Planted(
        "one round is enough",
        "segments/standard.py",
        "VERIFY_PAUSES = (1.0, 2.0, 4.0)",
        "VERIFY_PAUSES = (1.0,)",
    ),
    Planted(
        "rounds without a pause",
        "segments/standard.py",
        "VERIFY_PAUSES = (1.0, 2.0, 4.0)",
        "VERIFY_PAUSES = (0.0, 0.0, 0.0)",
        8_000,
    ),
    Planted(
        "a key's steps go in two requests",
        "segments/patches.py",
        "        if chunk and operations + len(change.steps) > limit:\n",
        "        if chunk and operations >= limit:\n",
    ),
    Planted(
        "requests are not full",
        "segments/patches.py",
        "        if chunk and operations + len(change.steps) > limit:\n",
        "        if chunk and operations + len(change.steps) >= limit:\n",
    ),
    Planted(
        "every kind is a user",
        "api/shapes.py",
        'targets.setdefault(each.text("contextKind"), [])',
        "targets.setdefault(USER, [])",
        6_000,
    ),
    Planted(
        "a big segment gets all words at every checkpoint",
        "segments/bigplans.py",
        "        self._sent_up_to = plan.up_to\n",
        "",
    ),
    Planted(
        "a big snapshot is not guarded",
        "segments/big.py",
        "            yield from planner.judge(self._audience, plan.numbers)\n",
        "            pass\n",
    ),
    Planted(
        "invalid keys are lost in a big snapshot",
        "audience/difference.py",
        "if words.get(key, OUT) & WORD == OUT]",
        "if words.get(key, OUT) & WORD != IN]",
        8_000,
    ),
    Planted(
        "imports are not waited for",
        "api/transfers.py",
        "            self._await_import(segment_key, import_id)\n",
        "",
    ),
    Planted(
        "who leaves a big segment is not excluded",
        "segments/sending.py",
        'if policy.removal_action == "exclude" else ()',
        "if False else ()",
    ),
    Planted(
        "a 429's wait is cut short",
        "api/client.py",
        "return backoff.random_jitter(max(asked, next(pauses)))",
        "return 0.5 * max(asked, next(pauses))",
    ),
]
