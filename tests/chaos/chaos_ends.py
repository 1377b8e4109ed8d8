"""How a run may end, and how it must."""

from __future__ import annotations

from chaos_cases import IN, OUT, PATIENCE
from chaos_facts import Facts, demand

from target_launchdarkly.errors import (
    ExportError,
    InputError,
    LaunchDarklyError,
    PlanRefusedError,
    SegmentError,
    TargetError,
)

#: Each of the first answers and of the three rounds after it has to be disturbed once.
ROUNDS = 4
#: So many patches are refused before the search for the cause may end.
MANY_REFUSALS = 15
#: The pauses before the three rounds.
ROUND_SECONDS = 1 + 2 + 4

Errors = set[type[TargetError]]


class Ends:
    """Compares the end of a run with what it may be."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._run = facts.run

    def check(self) -> None:
        """Look at the error, or at the lack of one.

        Raises:
            DivergenceError: The run ended in another way than it must.
        """
        error = self._run.error
        must = self.must()
        told = f"{type(error).__name__}: {error}"
        names = sorted(each.__name__ for each in must)
        if error is None:
            demand(not must, f"a run ended well that should end with {names}")
            incomplete = self._run.incomplete_imports
            demand(not incomplete, f"a run ended well with incomplete imports of {incomplete}")
            self._check_last_state()
            return
        expected = (*must, *self._may())
        demand(isinstance(error, expected), f"expected {names or 'success'}, not {told}")
        if isinstance(error, PlanRefusedError):
            self._check_refusal(error)

    def _check_last_state(self) -> None:
        if self._run.attempt.is_dry:
            return
        sent = [each.message["value"] for each in self._run.items if each.type == "STATE"]
        written = [each.value for each in self._run.written]
        demand(not sent or written[-1:] == sent[-1:], "the last STATE is missing")

    def must(self) -> Errors:
        """Return the errors of which the run must end with one, faults apart."""
        found: Errors = set()
        if self._facts.is_torn:
            found.add(InputError)
        if self._facts.has_big_moment:
            found.add(SegmentError)
        if any(doubt.segments or doubt.fails for _, doubt in self._facts.checkpoints):
            found.add(PlanRefusedError)
        if self._excluded_of_bigs(is_certain=True):
            found.add(SegmentError)
        return found

    def _may(self) -> Errors:
        found: Errors = set()
        model, attempt = self._facts.model, self._run.attempt
        if any(doubt.maybe or doubt.may_fail for _, doubt in self._facts.checkpoints):
            found.add(PlanRefusedError)
        has_imported = any(asked.is_import for asked in self._run.asked)
        may_give_up_import = has_imported and self._facts.bigs.may_give_up_import()
        if model.may_give_up(attempt) or may_give_up_import:
            found.add(LaunchDarklyError)
        if self._excluded_of_bigs(is_certain=False):
            found.add(SegmentError)
        if self._refusals_of_bigs() > MANY_REFUSALS:
            found.add(LaunchDarklyError)
        for segment in self._facts.segments:
            found |= self._by_disturbance(segment)
        return found | self._by_exports()

    def _by_exports(self) -> Errors:
        """Return what a second look may end in, after something was sent."""
        attempt = self._run.attempt
        moves, found = attempt.moves, set[type[TargetError]]()
        if not any(each.is_export for each in self._run.asked):
            return found | ({SegmentError} if moves.count_lag and self._run.case.bigs else found)
        is_slow = self._facts.bigs.is_slow
        if moves.has_no_file or is_slow or any(each.method == "FILE" for each in attempt.faults):
            found |= {ExportError, SegmentError}
        if moves.count_lag:
            found |= {SegmentError, PlanRefusedError, ExportError}
        if moves.exports.cut_bytes:
            # A last line that is cut may name somebody else who is a member.
            found |= {ExportError, SegmentError}
        return found

    def _refusals_of_bigs(self) -> int:
        """Count the refused patches: the search for keys that are excluded by hand is bounded."""
        bigs = self._run.case.bigs
        return sum(each.status == 400 and each.segment in bigs for each in self._run.asked)

    def _by_disturbance(self, segment: str) -> Errors:
        found: Errors = set()
        count = self._run.disturbances(segment)
        asked = self._run.of_segment(segment)
        if count >= ROUNDS and self._has_tried(segment):
            found.add(SegmentError)
        if count and self._is_too_much_by_now(segment):
            found.add(SegmentError)
        if count and any(each.status == 404 for each in asked):
            found.add(LaunchDarklyError)
        if self._has_tried_endings(segment):
            found.add(LaunchDarklyError)
        was_refused = any(each.status == 400 for each in asked)
        if was_refused and count > 1:
            # A key may be taken for one that LaunchDarkly refuses.
            found |= {LaunchDarklyError, SegmentError}
        fates = {each.place.segment for each in self._run.attempt.meddlings if not each.keys}
        if segment in fates and count:
            found |= {LaunchDarklyError, SegmentError}
        if count and segment in self._run.case.missing:
            found.add(LaunchDarklyError)
        if count and segment in self._run.case.bigs:
            # The numbers that its guard counts with may lag; who is excluded does not show.
            found |= {LaunchDarklyError, SegmentError, PlanRefusedError}
        if count and model_fails(self._facts):
            found |= {PlanRefusedError, SegmentError}
        return found

    def _has_tried_endings(self, segment: str) -> bool:
        """Whether what was said of endings may have failed twice, or not have held three times."""
        count = self._run.disturbances(segment)
        asked = [each for each in self._run.of_segment(segment) if each.is_expiring]
        has_failed = any(each.failed or each.is_of_unknown_fate for each in asked)
        return bool(asked) and (count >= ROUNDS - 1 or (count > 1 and has_failed))

    def _is_too_much_by_now(self, segment: str) -> bool:
        """Whether the guard finds too many leaving when it looks again, at whoever came since."""
        facts = self._facts
        seen = facts.seen_before(None)[segment]
        places = [place for place in facts.places if place.segment == segment and seen.first]
        return any(
            True in facts.guard(place, seen, moment)
            for place in places
            for moment, _ in facts.checkpoints[-1:]
        )

    def _has_tried(self, segment: str) -> bool:
        """Whether the target looked as often, and waited as long, as it should before failing."""
        asked = [each for each in self._run.of_segment(segment) if not each.is_expiring]
        patched = [number for number, each in enumerate(asked) if each.method == "PATCH"]
        since = patched[0] if patched else 0
        looks = [each for each in asked[since:] if each.method == "GET"]
        return len(looks) >= ROUNDS - 1 and looks[-1].at - asked[since].at >= ROUND_SECONDS - 1e-3

    def _excluded_of_bigs(self, *, is_certain: bool) -> bool:
        """Whether LaunchDarkly tells that a key to include is excluded, where that is to fail."""
        facts, model = self._facts, self._facts.model
        if model.rules.excluded_action != "fail":
            return False
        for place in facts.said.places:
            if not model.is_big(place):
                continue
            for key in facts.said.keys(place):
                words = facts.said.all_words(place, key)
                stands = self._run.start[place].get(key)
                # Of who is on both sides nothing is sent where the members are seen.
                is_excluded = stands == "ex" or (stands == "both" and not is_certain)
                comes_back = model.rules.excludes and OUT in words
                if not is_certain and IN in words and (is_excluded or comes_back):
                    return True
                is_sent = words[-1] == IN and not model.is_snapshot(place)
                if is_certain and is_excluded and is_sent and self._is_sent_at_end(place.segment):
                    return not model.may_merge(facts.said, place)
        return False

    def _is_sent_at_end(self, segment: str) -> bool:
        ends = [doubt for moment, doubt in self._facts.checkpoints if moment.is_end]
        calm = not self._run.attempt.is_dry and len(self._facts.checkpoints) == 1
        return bool(ends) and calm and not self._run.disturbances(segment)

    def _check_refusal(self, error: PlanRefusedError) -> None:
        """Look at which segments the error names."""
        named = {*error.segments}
        if not self._facts.checkpoints:
            return
        _, doubt = self._facts.checkpoints[-1]
        missing = doubt.segments - named
        demand(not missing, f"{missing} were refused, and the error names {named}")
        disturbed = {each for each in self._facts.segments if self._run.disturbances(each)}
        open_ones = doubt.segments | doubt.maybe | disturbed
        more = named - open_ones
        demand(not more or doubt.fails or doubt.may_fail, f"{more} need not have been refused")


def model_fails(facts: Facts) -> bool:
    """Whether an exclusion by somebody else may end the run."""
    return facts.model.rules.excluded_action == "fail"


__all__ = ["PATIENCE", "Ends"]
