#!/usr/bin/env python3
"""Random calendars and, by the recurring_ical_events library, when their events are.

usage: holidays.py SEED COUNT
Prints one JSON object a calendar: `zone` (of days and of times without a zone), `from` and `until` (seconds since 1970),
`text` (the calendar), `spans` (merged, those that touch the time between) and `events`.

The library says which occurrences there are and at which local times. From there to the time line it is our own rule,
written here once more: a local time is the first instant at which the clock has reached it; DTEND is by the wall clock,
DURATION elapses after its days.
"""
import json
import random
import sys
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from dateutil.rrule import rrulestr

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FROM, UNTIL = datetime(2026, 9, 1, tzinfo=timezone.utc), datetime(2028, 4, 1, tzinfo=timezone.utc)


@lru_cache(maxsize=None)
def resolve(local, name):
    """The first instant at which the clock of the zone has reached a local time."""
    zone = ZoneInfo(name)
    at = local.replace(tzinfo=zone).astimezone(timezone.utc)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    low, high = at - timedelta(days=1), at + timedelta(days=1)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            high = middle
        else:
            low = middle
    return high


def days_of(rng, ordinals, most=3):
    chosen = rng.sample(DAYS, rng.randint(1, most))
    if not ordinals:
        return ",".join(chosen)
    return ",".join(f"{rng.choice(ordinals)}{day}" for day in chosen)


def some(rng, numbers, most=3):
    return ",".join(str(n) for n in rng.sample(numbers, rng.randint(1, most)))


def rule_of(rng, whole):
    """One rule, without its end."""
    month_days = list(range(1, 32)) + list(range(-31, 0))
    parts = []
    frequency = rng.choice(["YEARLY", "YEARLY", "MONTHLY", "MONTHLY", "WEEKLY", "DAILY"])
    if frequency == "YEARLY":
        parts = rng.choice([
            [],
            [f"BYMONTH={some(rng, range(1, 13))}"],
            [f"BYMONTH={some(rng, range(1, 13))}", f"BYMONTHDAY={some(rng, month_days)}"],
            [f"BYMONTHDAY={some(rng, month_days)}"],
            [f"BYMONTH={some(rng, range(1, 13))}", f"BYDAY={days_of(rng, [1, 2, 3, 4, 5, -1, -2, -5])}"],
            [f"BYMONTH={some(rng, range(1, 13))}", f"BYDAY={days_of(rng, None)}"],
            [f"BYDAY={days_of(rng, [1, 2, 10, 20, 52, 53, -1, -10, -53])}"],
            [f"BYYEARDAY={some(rng, [1, 59, 60, 61, 100, 365, 366, -1, -100, -365, -366])}"],
            [f"BYWEEKNO={some(rng, [1, 2, 20, 51, 52, 53, -1, -2, -53])}", f"BYDAY={days_of(rng, None)}", f"WKST={rng.choice(DAYS)}"],
            [f"BYMONTH={some(rng, range(1, 13))}", "BYDAY=MO,TU,WE,TH,FR", f"BYSETPOS={some(rng, [1, 2, -1, -2, 10])}"],
            ["BYMONTHDAY=13", "BYDAY=FR"],
            ["BYDAY=TU", "BYMONTH=11", "BYMONTHDAY=2,3,4,5,6,7,8"],
        ])
    elif frequency == "MONTHLY":
        parts = rng.choice([
            [],
            [f"BYMONTHDAY={some(rng, month_days)}"],
            [f"BYDAY={days_of(rng, [1, 2, 3, 4, 5, -1, -2, -5])}"],
            [f"BYDAY={days_of(rng, None)}", f"BYSETPOS={some(rng, [1, 2, 3, -1, -2])}"],
            ["BYDAY=MO,TU,WE,TH,FR", "BYSETPOS=-1"],
            [f"BYDAY={days_of(rng, None)}", f"BYMONTHDAY={some(rng, range(1, 29), 7)}"],
            [f"BYMONTH={some(rng, range(1, 13))}", f"BYMONTHDAY={some(rng, month_days)}"],
        ])
    elif frequency == "WEEKLY":
        parts = rng.choice([
            [],
            [f"BYDAY={days_of(rng, None)}"],
            [f"BYDAY={days_of(rng, None)}", f"WKST={rng.choice(DAYS)}"],
            [f"BYDAY={days_of(rng, None)}", f"BYMONTH={some(rng, range(1, 13))}"],
        ])
    else:
        parts = rng.choice([
            [],
            [f"BYMONTH={some(rng, range(1, 13))}", f"BYDAY={days_of(rng, None)}"],
            [f"BYMONTHDAY={some(rng, month_days)}"],
        ])
        if not whole and rng.random() < 0.3:
            parts = parts + [f"BYHOUR={some(rng, range(24))}", f"BYMINUTE={some(rng, range(60))}"]
    least = 10 if frequency == "DAILY" and not parts else 1
    interval = rng.choice([1, 1, 1, 2, 3, 5, 7]) * least
    if interval > 1:
        parts = parts + [f"INTERVAL={interval}"]
    rng.shuffle(parts)
    return ";".join([f"FREQ={frequency}"] + parts)


class Kind:
    """How the times of an event are written."""

    def __init__(self, rng, floating):
        self.whole = rng.random() < 0.5
        self.floating = floating
        self.zone = None if self.whole else rng.choice([None, "UTC", "UTC"] + ZONES + ZONES)

    def local(self, at):
        return at if self.zone is None or self.whole else at.replace(tzinfo=ZoneInfo(self.zone))

    def write(self, name, values, whole=None):
        """A property with one or several local times."""
        if self.whole if whole is None else whole:
            return f"{name};VALUE=DATE:" + ",".join(f"{v:%Y%m%d}" for v in values)
        texts = ",".join(f"{v:%Y%m%dT%H%M%S}" for v in values)
        if self.zone is None:
            return f"{name}:{texts}"
        if self.zone == "UTC":
            return f"{name}:" + texts.replace(",", "Z,") + "Z"
        return f"{name};TZID={self.zone}:{texts}"

    def lasts(self, rng, start):
        """The lines that say how long it lasts, and the same for ourselves."""
        if self.whole:
            days = rng.choice([1, 1, 1, 2, 3, 10])
            mark = f"X-LASTS:days {days} 0"
            if days == 1 and rng.random() < 0.5:
                return [mark]
            if rng.random() < 0.3:
                return [f"DURATION:P{days}D", mark]
            return [self.write("DTEND", [start + timedelta(days=days)]), mark]
        minutes = rng.choice([30, 60, 90, 300, 1440, 3000])
        if rng.random() < 0.5:
            return [self.write("DTEND", [start + timedelta(minutes=minutes)]), f"X-LASTS:wall 0 {minutes * 60}"]
        days, rest = divmod(minutes, 1440)
        text = "P" + (f"{days}D" if days else "") + (f"T{rest}M" if rest else "")
        return [f"DURATION:{text}", f"X-LASTS:days {days} {rest * 60}"]


def fold(rng, line):
    if rng.random() < 0.8:
        return line
    at = rng.randint(1, len(line) - 1)
    return line[:at] + "\r\n" + rng.choice([" ", "\t"]) + line[at:]


def event(rng, number, floating):
    kind = Kind(rng, floating)
    start = datetime(2024, 1, 1) + timedelta(days=rng.randint(0, 1800))
    if not kind.whole:
        start += timedelta(minutes=rng.choice([rng.randint(0, 287) * 5, 120, 150, 135]))
    lines = [f"UID:{number}@example.org"]
    rule = None
    if rng.random() < 0.75:
        rule = rule_of(rng, kind.whole)
        if rng.random() < 0.8:
            # Begin where the rule says: of what begins elsewhere the standard leaves open how it is counted.
            first = next(iter(rrulestr(rule, dtstart=start)), None)
            if first is None:
                return []
            start = first
            if rng.random() < 0.3:
                rule += f";COUNT={rng.choice([1, 2, 5, 30, 400])}"
            elif rng.random() < 0.4:
                last = start + timedelta(days=rng.randint(0, 1500))
                if kind.whole:
                    rule += f";UNTIL={last:%Y%m%d}"
                elif kind.zone is None:
                    rule += f";UNTIL={last:%Y%m%dT%H%M%S}"
                else:
                    rule += f";UNTIL={kind.local(last).astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"
        lines.append(f"RRULE:{rule}")
    lasts = kind.lasts(rng, start)
    lines += [kind.write("DTSTART", [start])] + lasts
    if rng.random() < 0.2:
        more = [start + timedelta(days=rng.randint(1, 1500)) for _ in range(rng.randint(1, 4))]
        lines.append(kind.write("RDATE", more))
    if rng.random() < 0.1:
        lines.append(f"STATUS:{rng.choice(['CANCELLED', 'CONFIRMED', 'TENTATIVE'])}")
    if rng.random() < 0.3:
        lines.append("TRANSP:TRANSPARENT")
    events = [lines]
    excepted, moved = rng.random() < 0.3, rule and rng.random() < 0.3
    if excepted or moved:
        occurrences = [plain(o["DTSTART"].dt) for o in occurring(rng, events)]
        if occurrences and excepted:
            left_out = rng.sample(occurrences, min(len(occurrences), rng.randint(1, 5)))
            lines.append(kind.write("EXDATE", left_out, whole=kind.whole or rng.random() < 0.2))
            # What is both left out and moved is told of in no standard.
            days = {at.date() for at in left_out}
            occurrences = [at for at in occurrences if at.date() not in days]
        if occurrences and moved:
            for at in rng.sample(occurrences, min(len(occurrences), rng.randint(1, 3))):
                events.append(instead(rng, number, kind, at, floating))
    for lines in events:
        rng.shuffle(lines)
    return events


def instead(rng, number, kind, at, floating):
    """An event that takes the place of an occurrence."""
    other = Kind(rng, floating)
    start = at + timedelta(days=rng.randint(-3, 3))
    if other.whole:
        start = datetime.combine(start.date(), time())
    cancelled = ["STATUS:CANCELLED"] if rng.random() < 0.3 else []
    lines = [f"UID:{number}@example.org", kind.write("RECURRENCE-ID", [at]), other.write("DTSTART", [start])]
    return lines + other.lasts(rng, start) + cancelled


def plain(at):
    return at.replace(tzinfo=None) if isinstance(at, datetime) else datetime.combine(at, time())


def text_of(rng, events):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//EN"]
    for own in events:
        lines += ["BEGIN:VEVENT"] + own + ["END:VEVENT"]
    lines = [fold(rng, line) for line in lines + ["END:VCALENDAR"]]
    return rng.choice(["\r\n", "\n"]).join(lines) + "\n"


def occurring(rng, events):
    calendar = icalendar.Calendar.from_ical(text_of(rng, events))
    around = timedelta(days=60)
    return recurring_ical_events.of(calendar, keep_recurrence_attributes=True).between(FROM - around, UNTIL + around)


def span_of(occurrence, floating):
    start = occurrence["DTSTART"].dt
    zone = floating
    if isinstance(start, datetime) and start.tzinfo is not None:
        zone = "UTC" if start.utcoffset() == timedelta() and start.tzinfo == timezone.utc else str(start.tzinfo)
    local = plain(start)
    how, days, seconds = str(occurrence["X-LASTS"]).split()
    begins = resolve(local, zone)
    if how == "wall":
        return begins, resolve(local + timedelta(seconds=int(seconds)), zone)
    return begins, resolve(local + timedelta(days=int(days)), zone) + timedelta(seconds=int(seconds))


def merged(spans):
    result = []
    for begins, ends in sorted(span for span in spans if span[0] < span[1]):
        if result and begins <= result[-1][1]:
            result[-1][1] = max(result[-1][1], ends)
        else:
            result.append([begins, ends])
    return result


def main():
    rng = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        floating = rng.choice(ZONES)
        events = []
        for number in range(rng.randint(1, 20)):
            events += event(rng, number, floating)
        rng.shuffle(events)
        held = [o for o in occurring(rng, events) if str(o.get("STATUS", "")) != "CANCELLED"]
        # Floating times and days reach further than the library sees, so only what touches our time is compared.
        spans = [span_of(o, floating) for o in held]
        touching = [s for s in spans if s[0] < UNTIL and s[1] > FROM]
        print(json.dumps({
            "zone": floating,
            "from": int(FROM.timestamp()),
            "until": int(UNTIL.timestamp()),
            "text": text_of(rng, events),
            "spans": [[int(t.timestamp()) for t in span] for span in merged(touching)],
            "events": len(events),
        }))


main()
