"""Makes the troubles of a run: faults, lags, late copies, and what others do meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos_cases import BYSTANDERS, EPOCH, KEYS, LOST_ANSWERS, Attempt, Meddling, Place

from target_launchdarkly.sandbox import Fault

if TYPE_CHECKING:
    from chaos_choices import Choices
    from chaos_moves import MoveMaker


class TroubleMaker:
    """Makes the attempts of one case.

    Args:
        choices: Makes all the choices.
        places: What there is to meddle with.
        mortal: The segments that somebody may delete.
        moves: Makes what goes wrong with imports and exports; None without big segments.
        has_posts: Whether there may be POST requests.
        has_moments: Whether somebody may say when targets leave.
    """

    def __init__(
        self,
        choices: Choices,
        places: list[Place],
        mortal: set[str],
        *,
        moves: MoveMaker | None,
        has_posts: bool,
        has_moments: bool,
    ) -> None:
        self._choices = choices
        self._places = places
        self._mortal = mortal
        self._moves = moves
        self._has_posts = has_posts
        self._has_moments = has_moments

    def attempt(self, length: int, *, is_trusting: bool) -> Attempt:
        choices = self._choices
        attempt = Attempt(
            faults=self._faults(),
            drains=self.drains(length),
            is_dry=choices.chance(3),
            is_parallel=choices.chance(10),
            block_bytes=self.block_bytes(),
            words_in_memory=choices.of([None, None, None, 1, 5]),
            settles=not choices.chance(30),
        )
        if choices.chance(30):
            attempt.meddlings = [self._meddling() for _ in range(choices.of([1, 1, 2, 3, 5]))]
        if self._moves:
            attempt.moves = self._moves.moves()
            attempt.faults += self._moves.faults()
        if choices.chance(20):
            attempt.rate_limit = (choices.number(1, 4), choices.of([10.0, 2.5]))
        if choices.chance(40):
            attempt.cut = choices.random.randrange(100) / 100
            # Whoever trusts the end of input takes a cut between two lines for the end.
            attempt.is_cut_in_line = is_trusting or choices.chance(30)
        return attempt

    def _faults(self) -> list[Fault]:
        choices = self._choices
        theme = choices.of(["any", "any", "any", "late", "lag", "both"])
        count = choices.of([0, 0, 1, 1, 2, 3])
        if theme == "any":
            return [self._fault() for _ in range(count)]
        makers = {"late": [self._late], "lag": [self._lag], "both": [self._late, self._lag]}
        return [choices.of(makers[theme])() for _ in range(count + 1)]

    def block_bytes(self) -> int:
        return self._choices.of([0, 0, 100, 1_000, 65_536])

    def drains(self, length: int) -> frozenset[int]:
        percent = self._choices.of([0, 0, 10, 50])
        lines = range(1, length + 1)
        return frozenset(line for line in lines if percent and self._choices.chance(percent))

    def _meddling(self) -> Meddling:
        choices = self._choices
        place = choices.of(self._places)
        deeds = [*["add"] * 3, *["remove"] * 3, *["exclude"] * 3, "unexclude"]
        deeds += ["expire"] * 3 * self._has_moments
        fates = ["delete", "recreate"] if place.segment in self._mortal else []
        deed = choices.of([*deeds * 3, *fates])
        count = choices.of([1, 1, 2, 5])
        keys = tuple({choices.of([*KEYS, *BYSTANDERS]) for _ in range(count)})
        has_keys = deed not in {"delete", "recreate"}
        return Meddling(
            deed,
            place,
            tuple(sorted(keys)) if has_keys else (),
            after=choices.of([0, 1, 1, 2, 3, 5]),
            method=choices.of([None, None, "GET", "PATCH", "PATCH", *self._more_methods]),
            when=choices.of(["before", "after"]),
            times=10_000 if has_keys and choices.chance(5) else 1,
        )

    @property
    def _more_methods(self) -> list[str]:
        """Those of exports and their files, where there may be any."""
        return ["POST", "FILE", "FILE"] if self._moves else []

    def _fault(self) -> Fault:
        choices = self._choices
        if choices.chance(30):
            return self._lag() if choices.chance(50) else self._late()
        kinds = [*["status"] * 3, "status-after", *LOST_ANSWERS, "html", "html-ok"]
        kind: Any = choices.of([*kinds, "garbage", "empty"])
        if choices.chance(2):
            kind = "redirect"
        status, headers = None, None
        if kind in {"status", "status-after"}:
            status = choices.of([408, 409, 429, 429, 500, 502, 503])
            headers = self._limit_headers() if status == 429 else None
        methods = ["GET", "PATCH", "PATCH", None, *(["POST", "POST"] if self._has_posts else [])]
        return Fault(
            kind,
            method=choices.of(methods),
            after=choices.of([0, 0, 1, 2, 3]),
            times=10_000 if choices.chance(8) else choices.of([1, 1, 2]),
            status=status,
            headers=headers,
        )

    def _lag(self) -> Fault:
        choices = self._choices
        return Fault(
            "stale",
            method=choices.of(["PATCH", "PATCH", "GET"]),
            after=choices.of([0, 0, 1, 2]),
            times=10_000 if choices.chance(5) else choices.of([1, 1, 2, 3, 4]),
            behind=choices.of([1, 1, 2, 3]),
        )

    def _late(self) -> Fault:
        choices = self._choices
        kind: Any = choices.of(["late-drop", "late-status"])
        when: Any = choices.of(["before", "after"])
        return Fault(
            kind,
            method="PATCH",
            after=choices.of([0, 0, 1, 2]),
            times=choices.of([1, 1, 2]),
            status=choices.of([504, 504, 503, 500]) if kind == "late-status" else None,
            later=choices.of([1, 2, 2, 3, 3, 4, 6, None]),
            when=when,
        )

    def _limit_headers(self) -> dict[str, str]:
        headers = {}
        if self._choices.chance(70):
            headers["Retry-After"] = str(self._choices.number(0, 9))
        if self._choices.chance(70):
            moment = EPOCH + self._choices.number(-20, 20)
            headers["X-Ratelimit-Reset"] = str(int(moment * 1_000))
        return headers
