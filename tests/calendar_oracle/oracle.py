"""What others say of a calendar: cronsim of crontab expressions, dateutil of days that come back.

Reads questions, one JSON object a line, and answers each with one line. Shares no code and no time zone reader with
offhours: the rule for clock changes is written down here once more, on the standard library's zoneinfo.
"""

import json
import sys
from datetime import datetime, time, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.rrule import DAILY, FR, MO, MONTHLY, SA, SU, TH, TU, WE, WEEKLY, rrule

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEKDAYS = [MO, TU, WE, TH, FR, SA, SU]
LAST = 6
SECOND = timedelta(seconds=1)


def seconds(instant):
    return int((instant - EPOCH).total_seconds())


def instant(wall, zone):
    """The first instant at which the clock has reached a time: the earlier of two, the end of a gap."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return seconds(first)
    # In a gap the one reading lies before it, the other behind.
    before, after = sorted([first, wall.replace(tzinfo=zone, fold=1).astimezone(UTC)])
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= wall:
            after = middle
        else:
            before = middle
    return seconds(after)


def cron(question):
    zone = ZoneInfo(question["zone"]) if question["zone"] != "UTC" else UTC
    after = datetime.fromtimestamp(question["after"], zone)
    found = islice(CronSim(question["expr"], after), question["count"])
    return [seconds(at.astimezone(UTC)) for at in found]


def named_days(named, first, last):
    """The days that a rule names, as midnights."""
    span = {"dtstart": first, "until": last}
    kind, values = named
    if kind == "weekdays":
        return list(rrule(WEEKLY, byweekday=values, **span))
    if kind == "daily":
        return list(rrule(DAILY, **span))
    if kind == "dates":
        return list(rrule(MONTHLY, bymonthday=values, **span))
    byweekday = [WEEKDAYS[day](-1 if week == LAST else week) for week, day in values]
    return list(rrule(MONTHLY, byweekday=byweekday, **span))


def spans(rule, zone, since, until):
    if "from" in rule:
        return [(rule["from"], rule["until"])]
    minutes = rule.get("minutes")
    if "expr" in rule:
        after = datetime.fromtimestamp(since, zone) - timedelta(days=10)
        found = []
        for at in CronSim(rule["expr"], after):
            opens = seconds(at.astimezone(UTC))
            if opens >= until:
                return found
            found.append((opens, opens + minutes * 60))
        return found
    around = timedelta(days=45)
    first = datetime.fromtimestamp(since, UTC).replace(tzinfo=None, hour=0, minute=0, second=0) - around
    last = datetime.fromtimestamp(until, UTC).replace(tzinfo=None) + timedelta(days=2)
    found = []
    for named in named_days(rule["named"], first, last):
        day = named + timedelta(days=rule["offset"])
        start = timedelta(minutes=rule["start"])
        opens = instant(day + start, zone)
        if minutes is None:
            end = timedelta(minutes=rule["end"])
            closes = instant(day + end + (timedelta(days=1) if end <= start else timedelta()), zone)
        else:
            closes = opens + minutes * 60
        found.append((opens, closes))
    return found


def window(question):
    zone = ZoneInfo(question["zone"])
    since, until = question["from"], question["until"]
    # What opens later may touch what opened before.
    opens_until = until + 10 * 86_400
    all_spans = []
    for rule in question["rules"]:
        valid_from, valid_until = rule["valid"]
        all_spans += [
            (opens, closes)
            for opens, closes in spans(rule, zone, since, opens_until)
            if opens < closes and valid_from <= opens < valid_until
        ]
    merged = []
    for opens, closes in sorted(all_spans):
        if merged and opens <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], closes)
        else:
            merged.append([opens, closes])
    return [span for span in merged if span[0] < until and span[1] > since]


for line in sys.stdin:
    asked = json.loads(line)
    answer = cron(asked) if "count" in asked else window(asked)
    print(json.dumps(answer))
