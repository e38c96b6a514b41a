"""What devices would take in an event, from their histories."""

from __future__ import annotations

from trex_market.core.units import rounded
from trex_market.programmes.demand_response.baselines import DayLoad, find_method, make_baseline
from trex_market.programmes.demand_response.calendar import Calendar, LikeDay
from trex_market.programmes.demand_response.devices import MeasuredDevice
from trex_market.programmes.demand_response.measuring import Expected
from trex_market.programmes.demand_response.records import Terms


class Expectation:
    """Makes the baselines of devices for one event.

    Args:
        start: of the event.
        end: of the event, as planned.
        terms: the programme's.
        calendar: of its time zone.
    """

    def __init__(self, start: int, end: int, terms: Terms, calendar: Calendar) -> None:
        length, rules = terms.interval_s, terms.baseline
        self._terms = terms
        self._first = start // length
        self._window = -(-end // length) - self._first
        self._after = -(-(end + terms.rebound_s) // length) - self._first - self._window
        # Whole intervals alone, so that nothing of the event itself is among them.
        self._from = -(-(start - rules.adjust_from_s) // length) - self._first
        self._until = (start - rules.adjust_until_s) // length - self._first
        weekend = calendar.is_weekend(calendar.date(start))
        self._method = find_method(rules.weekends if weekend else rules.weekdays)
        self._days = calendar.like_days(self._first * length, rules.look_back_days)

    def of(self, device: MeasuredDevice) -> Expected | None:
        """Return a device's baseline; None if nothing at all is known of it."""
        length = self._terms.interval_s
        today = self._adjusting(device, self._first)
        days: list[DayLoad] = []
        for day in self._days:
            if len(days) == self._method.of:
                break
            found = self._day(device, day)
            if found is not None:
                days.append(found)
        baseline = make_baseline(days, today, self._method, self._terms.baseline, length)
        if baseline is not None:
            loads = tuple(
                rounded(load.numerator, load.denominator) for load in (*baseline.window, *baseline.after)
            )
            return Expected(self._first, loads, baseline.quality, baseline.is_adjusted)
        flat = rounded(sum(today), len(today)) if today else device.usual_ws()
        if flat is None:
            return None
        return Expected(self._first, (flat,) * (self._window + self._after), "prognosis", is_adjusted=False)

    def _adjusting(self, device: MeasuredDevice, first: int) -> list[int] | None:
        if self._until <= self._from:
            return None
        return device.history.loads(first + self._from, first + self._until)

    def _day(self, device: MeasuredDevice, day: LikeDay) -> DayLoad | None:
        """Return a day's load, if the day is eligible."""
        if day.date in device.event_days:
            return None
        first = day.moment // self._terms.interval_s
        window = device.history.loads(first, first + self._window)
        if window is None:
            return None
        before: list[int] | None = []
        if self._terms.baseline.adjustment != "none":
            before = self._adjusting(device, first) if self._until > self._from else []
        if before is None:
            return None
        end = first + self._window
        return DayLoad(window, before, device.history.loads(end, end + self._after) or ())

    def mean_power(self, device: MeasuredDevice) -> int:
        """Return what a device is expected to take in the event, in W; 0 if nothing is known, or it feeds in."""
        expected = self.of(device)
        if expected is None:
            return 0
        window = expected.loads[: self._window]
        return max(0, rounded(sum(window), len(window) * self._terms.interval_s))
