#!/usr/bin/env python3
"""The rules of RFC 5545, 5546 and 6047 that invitations and the feed keep, one by one.

usage: calendar_rules.py [--mutate] FILE…      .eml: a message with an invitation; .ics: a feed
Messages are a series about one session, in the order in which they are sent.
Prints one JSON object: `{"checked": {RULE: how often}, "broken": [[FILE, RULE, RFC, what], …]}`. With --mutate each
rule's own error is put into each file that the rule is about, and `broken` holds what was *not* noticed.
"""
import email
import email.policy
import json
import re
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Callable, Optional

import icalendar

MAIL, FEED, REQUEST, CANCEL = {"REQUEST", "CANCEL"}, {"PUBLISH"}, {"REQUEST"}, {"CANCEL"}
ALL = MAIL | FEED
NAME = r"[A-Za-z0-9-]+"
VALUE = r'(?:"[^"\x00-\x08\x0a-\x1f\x7f]*"|[^",;:\x00-\x08\x0a-\x1f\x7f]*)'
LINE = re.compile(rf"({NAME})((?:;{NAME}={VALUE}(?:,{VALUE})*)*):(.*)", re.DOTALL)
PARAMETER = re.compile(rf";({NAME})=({VALUE}(?:,{VALUE})*)")
TEXTS = {"SUMMARY", "DESCRIPTION", "UID", "NAME", "X-WR-CALNAME", "PRODID", "STATUS", "TRANSP"}
ONCE = ["CLASS", "CREATED", "DESCRIPTION", "GEO", "LAST-MODIFIED", "LOCATION", "ORGANIZER", "PRIORITY", "SEQUENCE",
        "STATUS", "SUMMARY", "TRANSP", "URL", "RECURRENCE-ID", "DTEND", "DURATION"]
UTC = re.compile(r"\d{8}T\d{6}Z")
MAILTO = re.compile(r"mailto:[A-Za-z0-9.!$'*+_=&~%-]+@[A-Za-z0-9.-]+")


@dataclass
class Subject:
    """One iCalendar object, and the message part it came in, if it came in one."""
    method: str
    raw: bytes
    part: Optional[email.message.Message] = None
    sender: str = ""
    # The raw ones of the same series that were sent before it.
    earlier: tuple = ()

    def unfolded(self):
        text = self.raw.decode("utf-8", "replace")
        return re.sub(r"\r?\n[ \t]", "", text)

    def lines(self):
        return [line for line in re.split(r"\r?\n", self.unfolded()) if line]

    def properties(self, component):
        """Of each component of that name: its properties, as (name, {parameter: [values]}, value)."""
        found, stack = [], []
        for line in self.lines():
            match = LINE.fullmatch(line)
            if not match:
                continue
            name, value = match[1].upper(), match[3]
            if name == "BEGIN":
                stack.append((value, []))
            elif name == "END":
                if stack:
                    ended, inner = stack.pop()
                    if ended == component:
                        found.append(inner)
            elif stack:
                parameters = {p[1].upper(): re.findall(VALUE, p[2]) for p in PARAMETER.finditer(match[2])}
                parameters = {key: [v.strip('"') for v in values if v] for key, values in parameters.items()}
                stack[-1][1].append((name, parameters, value))
        return found

    def events(self):
        return self.properties("VEVENT")

    def calendar(self):
        return (self.properties("VCALENDAR") or [[]])[0]


def values(properties, name):
    return [value for key, _, value in properties if key == name]


def count(component, name, least, most, what=""):
    def check(subject):
        groups = [subject.calendar()] if component == "VCALENDAR" else subject.events()
        for group in groups:
            found = len(values(group, name))
            if not least <= found <= most:
                yield f"{found} times {name}"
            elif what and found and values(group, name)[0] != what:
                yield f"{name} is {values(group, name)[0]}"
    return check


def sub(pattern, with_, times=1):
    """An error put into the unfolded text; folded again."""
    def mutate(subject):
        text, made = re.subn(pattern, with_, subject.unfolded(), count=times, flags=re.MULTILINE)
        assert made, f"{pattern} is not there"
        return replace(subject, raw=fold(text))
    return mutate


def fold(text):
    out = []
    for line in text.split("\r\n"):
        piece = ""
        for c in line:
            if len((piece + c).encode()) > 75:
                out.append(piece)
                piece = " "
            piece += c
        out.append(piece)
    return "\r\n".join(out).encode()


def octets(before, after):
    def mutate(subject):
        assert before in subject.raw
        return replace(subject, raw=subject.raw.replace(before, after, 1))
    return mutate


def in_part(change):
    def mutate(subject):
        part = email.message_from_bytes(subject.part.as_bytes(), policy=email.policy.SMTP)
        change(part)
        return replace(subject, part=part)
    return mutate


def again(name):
    return sub(rf"^({name}[;:].*\r\n)", r"\1\1")


def drop(name):
    return sub(rf"^{name}[;:].*\r\n", "")


def line_ends(subject):
    if re.search(rb"(?<!\r)\n|\r(?!\n)", subject.raw):
        yield "a bare line end"
    if not subject.raw.endswith(b"\r\n"):
        yield "the last line is not ended"


def line_lengths(subject):
    for line in subject.raw.split(b"\r\n"):
        if len(line) > 75:
            yield f"a line of {len(line)} octets"


def characters(subject):
    try:
        subject.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        yield str(error)
    if subject.raw.startswith(b"\xef\xbb\xbf"):
        yield "a byte order mark"


def whole_characters(subject):
    for line in subject.raw.split(b"\r\n"):
        if re.match(rb" ?[\x80-\xbf]", line):
            yield "folded within a character"


def controls(subject):
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", subject.unfolded()):
        yield "a control character"


def grammar(subject):
    for line in subject.lines():
        if not LINE.fullmatch(line):
            yield f"no content line: {line!r}"


def one_common_name(subject):
    for event in subject.events():
        for name, parameters, _ in event:
            if len(parameters.get("CN", [""])) != 1:
                yield f"the CN of {name} are several: {parameters['CN']}"


def escaping(subject):
    for group in [subject.calendar(), *subject.events()]:
        for name, _, value in group:
            if name in TEXTS and not re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value):
                yield f"{name} is not escaped: {value!r}"


def parses(subject):
    try:
        calendars = icalendar.Calendar.from_ical(subject.raw, multiple=True)
    except ValueError as error:
        yield str(error)
        return
    for calendar in calendars:
        for component in calendar.walk():
            for error in component.errors:
                yield str(error)


def one_object(subject):
    lines = subject.lines()
    if lines.count("BEGIN:VCALENDAR") != 1 or lines[0] != "BEGIN:VCALENDAR" or lines[-1] != "END:VCALENDAR":
        yield "not exactly one object"


def nesting(subject):
    open_ = []
    for line in subject.lines():
        if line.startswith("BEGIN:"):
            open_.append(line[6:])
        elif line.startswith("END:") and (not open_ or open_.pop() != line[4:]):
            yield f"{line} ends nothing"
    if open_:
        yield f"{open_} are not ended"


def has_component(subject):
    if len(re.findall(r"^BEGIN:", subject.unfolded(), re.MULTILINE)) < 2:
        yield "no component"


def at_most_once(subject):
    for event in subject.events():
        for name in ONCE:
            if len(values(event, name)) > 1:
                yield f"{name} more than once"


def in_utc(*names):
    def check(subject):
        for event in subject.events():
            for name, parameters, value in event:
                if name in names and (not UTC.fullmatch(value) or "TZID" in parameters):
                    yield f"{name} is {value}"
    return check


def zones(subject):
    declared = {value for zone in subject.properties("VTIMEZONE") for value in values(zone, "TZID")}
    for event in subject.events():
        for name, parameters, value in event:
            for zone in parameters.get("TZID", []):
                if zone not in declared:
                    yield f"{name} is in {zone}, which is not there"
            if name in ("DTSTART", "DTEND") and "TZID" not in parameters and not value.endswith("Z"):
                yield f"{name} floats: {value}"


def length(subject):
    for event in subject.events():
        start, end = values(event, "DTSTART"), values(event, "DTEND")
        if len(end) + len(values(event, "DURATION")) > 1:
            yield "both DTEND and DURATION"
        elif not start or not end or not end[0] > start[0]:
            yield f"from {start} to {end}"


def word(name, allowed):
    def check(subject):
        for event in subject.events():
            for value in values(event, name):
                if value not in allowed:
                    yield f"{name} is {value}"
    return check


def number(subject):
    for event in subject.events():
        for value in values(event, "SEQUENCE"):
            if not re.fullmatch(r"\d+", value):
                yield f"SEQUENCE is {value}"


def addresses(subject):
    for event in subject.events():
        for name, _, value in event:
            if name in ("ORGANIZER", "ATTENDEE") and not MAILTO.fullmatch(value):
                yield f"{name} is {value}"


def roles(subject):
    words = {"ROLE": {"CHAIR", "REQ-PARTICIPANT", "OPT-PARTICIPANT", "NON-PARTICIPANT"},
             "PARTSTAT": {"NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED"}, "RSVP": {"TRUE", "FALSE"}}
    for event in subject.events():
        for name, parameters, _ in event:
            for key, allowed in words.items():
                if name == "ATTENDEE" and not set(parameters.get(key, [])) <= allowed:
                    yield f"{key} is {parameters[key]}"


def refresh(subject):
    calendar = subject.calendar()
    found = [(p, v) for name, p, v in calendar if name == "REFRESH-INTERVAL"]
    if len(found) != 1 or found[0][0].get("VALUE") != ["DURATION"]:
        yield f"REFRESH-INTERVAL: {found}"
    else:
        try:
            if icalendar.vDuration.from_ical(found[0][1]) <= timedelta(0):
                yield "it is not positive"
        except ValueError as error:
            yield str(error)


def names(subject):
    calendar = subject.calendar()
    if len(values(calendar, "NAME")) != 1 or values(calendar, "NAME") != values(calendar, "X-WR-CALNAME"):
        yield "NAME and X-WR-CALNAME"


def no_alarm(subject):
    if subject.properties("VALARM"):
        yield "a VALARM"


def same_uid(subject):
    uids = {value for event in subject.events() for value in values(event, "UID")}
    if len(uids) != 1:
        yield f"UIDs: {uids}"


def uids_differ(subject):
    uids = [value for event in subject.events() for value in values(event, "UID")]
    if len(set(uids)) != len(uids):
        yield "two entries with one UID"


def sequence_given(subject):
    for event in subject.events():
        if len(values(event, "SEQUENCE")) != 1:
            yield "no SEQUENCE"


def newest(subject, name):
    return max((value for event in subject.events() for value in values(event, name)), default="")


def sequence_rises(subject):
    for before in subject.earlier:
        if int(newest(before, "SEQUENCE") or 0) >= int(newest(subject, "SEQUENCE") or 0):
            yield "SEQUENCE does not rise"


def stamps_go_on(subject):
    for before in subject.earlier:
        if newest(before, "DTSTAMP") > newest(subject, "DTSTAMP"):
            yield "DTSTAMP goes back"


def same_series(subject):
    for before in subject.earlier:
        for name in ("UID", "ORGANIZER"):
            if newest(before, name) != newest(subject, name):
                yield f"another {name}"


def earlier(name, value):
    """An error in what was sent before, for rules about a series."""
    def mutate(subject):
        assert subject.earlier
        return replace(subject, earlier=tuple(sub(rf"^{name}([^:]*):.*$", rf"{name}\1:{value}\r")(b)
                                              for b in subject.earlier))
    return mutate


def needs_organizer_as_sender(subject):
    for event in subject.events():
        for value in values(event, "ORGANIZER"):
            if value.lower() != f"mailto:{subject.sender}".lower():
                yield f"{value} calls in, {subject.sender} sends"


def media_type(subject):
    if subject.part.get_content_type() != "text/calendar":
        yield subject.part.get_content_type()


def method_parameter(subject):
    given = subject.part.get_param("method")
    if given != (values(subject.calendar(), "METHOD") or [""])[0]:
        yield f"method={given}"


def charset(subject):
    if (subject.part.get_content_charset() or "").lower() != "utf-8":
        yield f"charset={subject.part.get_content_charset()}"


def transfer_encoding(subject):
    given = str(subject.part.get("Content-Transfer-Encoding", "7bit")).lower()
    raw = subject.part.as_bytes()
    if given not in ("7bit", "base64", "quoted-printable") or not raw.isascii():
        yield f"sent as {given}"
    elif given == "7bit" and not subject.raw.isascii():
        yield "8 bits in 7"


@dataclass
class Rule:
    name: str
    rfc: str
    about: set
    check: Callable
    error: Callable
    series: bool = False
    part: bool = False


def param(name, value):
    return in_part(lambda part: part.set_param(name, value) if value else part.del_param(name))


def header(name, value):
    def change(part):
        del part[name]
        part[name] = value
    return in_part(change)


EVENT = "VEVENT"
TWICE = sub(r"\Z", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n")
ALARM = sub(r"^END:VEVENT", "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT1H\r\nDESCRIPTION:x\r\nEND:VALARM\r\nEND:VEVENT")
SECOND = sub(r"^(BEGIN:VEVENT\r\n(?:.*\r\n)*?)(UID:)(.*\r\n(?:.*\r\n)*?END:VEVENT\r\n)", r"\1\2\3\1\2x\3")
SAME = sub(r"^(BEGIN:VEVENT\r\n(?:.*\r\n)*?END:VEVENT\r\n)", r"\1\1")

RULES = [
    Rule("lines end in CRLF", "RFC 5545, 3.1", ALL, line_ends, octets(b"\r\nVERSION", b"\nVERSION")),
    Rule("lines have at most 75 octets", "RFC 5545, 3.1", ALL, line_lengths,
         octets(b"\r\nVERSION", b"\r\nX-LONG:" + b"x" * 69 + b"\r\nVERSION")),
    Rule("no character is folded apart", "RFC 5545, 3.1", ALL, whole_characters,
         octets(b"\r\nVERSION", b"\r\nX-APART:\xc3\r\n \xa4\r\nVERSION")),
    Rule("it is UTF-8", "RFC 5545, 3.1.4", ALL, characters, octets(b"SUMMARY:", b"SUMMARY:\xe4")),
    Rule("no control characters", "RFC 5545, 3.1", ALL, controls, octets(b"SUMMARY:", b"SUMMARY:\x07")),
    Rule("content lines", "RFC 5545, 3.1", ALL, grammar, sub(r"^VERSION:", "VERSION;X:")),
    Rule("parameters that need it are quoted", "RFC 5545, 3.2", ALL, one_common_name,
         sub(r"^(ORGANIZER;CN=)[^:]*:", r"\1Doe, Jane:")),
    Rule("texts are escaped", "RFC 5545, 3.3.11", ALL, escaping, sub(r"^SUMMARY:", "SUMMARY:a, b; ")),
    Rule("an independent parser reads it", "RFC 5545, 3.3.5", ALL, parses, sub(r"^DTSTART:.*$", "DTSTART:today\r")),
    Rule("one object", "RFC 5545, 3.4", ALL, one_object, TWICE),
    Rule("components are nested", "RFC 5545, 3.6", ALL, nesting, sub(r"^END:VEVENT\r\n", "")),
    Rule("there is a component", "RFC 5545, 3.6", ALL, has_component,
         sub(r"^BEGIN:VEVENT\r\n(?:.*\r\n)*END:VEVENT\r\n", "")),
    Rule("VERSION is 2.0, once", "RFC 5545, 3.7.4", ALL, count("VCALENDAR", "VERSION", 1, 1, "2.0"), drop("VERSION")),
    Rule("PRODID once", "RFC 5545, 3.7.3", ALL, count("VCALENDAR", "PRODID", 1, 1), drop("PRODID")),
    Rule("CALSCALE is GREGORIAN", "RFC 5545, 3.7.1", ALL, count("VCALENDAR", "CALSCALE", 0, 1, "GREGORIAN"),
         again("CALSCALE")),
    Rule("METHOD once", "RFC 5545, 3.7.2", ALL, count("VCALENDAR", "METHOD", 1, 1), again("METHOD")),
    Rule("UID once", "RFC 5545, 3.8.4.7", ALL, count(EVENT, "UID", 1, 1), drop("UID")),
    Rule("DTSTAMP once", "RFC 5545, 3.8.7.2", ALL, count(EVENT, "DTSTAMP", 1, 1), drop("DTSTAMP")),
    Rule("what may be there once is", "RFC 5545, 3.6.1", ALL, at_most_once, again("STATUS")),
    Rule("stamps are in UTC", "RFC 5545, 3.8.7.2, 3.8.7.3", ALL, in_utc("DTSTAMP", "LAST-MODIFIED"),
         sub(r"^(DTSTAMP:.*)Z", r"\1")),
    Rule("time zones are there", "RFC 5545, 3.2.19, 3.3.5", ALL, zones,
         sub(r"^DTSTART:(.*)Z", r"DTSTART;TZID=Europe/Berlin:\1")),
    Rule("DTEND is after DTSTART", "RFC 5545, 3.8.2.2", ALL, length, sub(r"^DTEND:.*", "DTEND:20000101T000000Z\r")),
    Rule("STATUS is one of its words", "RFC 5545, 3.8.1.11", ALL,
         word("STATUS", {"TENTATIVE", "CONFIRMED", "CANCELLED"}), sub(r"^STATUS:.*", "STATUS:POSTPONED\r")),
    Rule("TRANSP is one of its words", "RFC 5545, 3.8.2.7", ALL, word("TRANSP", {"OPAQUE", "TRANSPARENT"}),
         sub(r"^TRANSP:.*", "TRANSP:FREE\r")),
    Rule("SEQUENCE is a number", "RFC 5545, 3.8.7.4", ALL, number, sub(r"^SEQUENCE:.*", "SEQUENCE:-1\r")),
    Rule("addresses of calendars are mailto", "RFC 5545, 3.3.3; RFC 6047, 2.3", ALL, addresses,
         sub(r"^(ORGANIZER.*:)mailto:", r"\1")),
    Rule("words about attendees", "RFC 5545, 3.2.12, 3.2.16, 3.2.17", MAIL, roles, sub(r"RSVP=FALSE", "RSVP=NO")),
    Rule("it says when to look again", "RFC 7986, 5.7", FEED, refresh, sub(r";VALUE=DURATION", "")),
    Rule("it has a name", "RFC 7986, 5.1", FEED, names, drop("NAME")),
    Rule("nobody is woken", "RFC 5546, 3.2.1, 3.2.2, 3.2.5", ALL, no_alarm, ALARM),
    Rule("METHOD of a request", "RFC 5546, 3.2.2", REQUEST, count("VCALENDAR", "METHOD", 1, 1, "REQUEST"),
         sub(r"^METHOD:.*", "METHOD:PUBLISH\r")),
    Rule("METHOD of a cancellation", "RFC 5546, 3.2.5", CANCEL, count("VCALENDAR", "METHOD", 1, 1, "CANCEL"),
         sub(r"^METHOD:.*", "METHOD:REQUEST\r")),
    Rule("METHOD of a feed", "RFC 5546, 3.2.1", FEED, count("VCALENDAR", "METHOD", 1, 1, "PUBLISH"),
         sub(r"^METHOD:.*", "METHOD:REQUEST\r")),
    Rule("one UID in all components", "RFC 5546, 3.2.2, 3.2.5", MAIL, same_uid, SECOND),
    Rule("entries have UIDs of their own", "RFC 5545, 3.8.4.7", FEED, uids_differ, SAME),
    Rule("ORGANIZER once", "RFC 5546, 3.2.1, 3.2.2, 3.2.5", ALL, count(EVENT, "ORGANIZER", 1, 1), drop("ORGANIZER")),
    Rule("ATTENDEE in a request", "RFC 5546, 3.2.2", MAIL, count(EVENT, "ATTENDEE", 1, 1), drop("ATTENDEE")),
    Rule("no ATTENDEE in a feed", "RFC 5546, 3.2.1", FEED, count(EVENT, "ATTENDEE", 0, 0),
         sub(r"^UID:", "ATTENDEE:mailto:a@example.org\r\nUID:")),
    Rule("DTSTART once", "RFC 5546, 3.2.1, 3.2.2", ALL, count(EVENT, "DTSTART", 1, 1), again("DTSTART")),
    Rule("SUMMARY once", "RFC 5546, 3.2.1, 3.2.2", ALL, count(EVENT, "SUMMARY", 1, 1), drop("SUMMARY")),
    Rule("SEQUENCE is there", "RFC 5546, 3.2.5", ALL, sequence_given, drop("SEQUENCE")),
    Rule("a request is not cancelled", "RFC 5546, 3.2.2", REQUEST, word("STATUS", {"TENTATIVE", "CONFIRMED"}),
         sub(r"^STATUS:.*", "STATUS:CANCELLED\r")),
    Rule("a cancellation is", "RFC 5546, 3.2.5", CANCEL, count(EVENT, "STATUS", 1, 1, "CANCELLED"), drop("STATUS")),
    Rule("no REQUEST-STATUS", "RFC 5546, 3.2.1, 3.2.2, 3.2.5", ALL, count(EVENT, "REQUEST-STATUS", 0, 0),
         sub(r"^UID:", "REQUEST-STATUS:2.0;Success\r\nUID:")),
    Rule("SEQUENCE rises", "RFC 5545, 3.8.7.4; RFC 5546, 2.1.4", MAIL, sequence_rises, earlier("SEQUENCE", "99"),
         series=True),
    Rule("DTSTAMP does not go back", "RFC 5546, 2.1.5", MAIL, stamps_go_on, earlier("DTSTAMP", "20990101T000000Z"),
         series=True),
    Rule("a series is one entry of one organizer", "RFC 5546, 2.1.3, 2.1.5", MAIL, same_series, earlier("UID", "x"),
         series=True),
    Rule("who calls in is who sends", "RFC 6047, 2.2.1, 2.3", MAIL, needs_organizer_as_sender,
         sub(r"^(ORGANIZER.*:)mailto:.*", "\\1mailto:else@example.org\r"), part=True),
    Rule("the part is a calendar", "RFC 6047, 2.1", MAIL, media_type, in_part(lambda p: p.set_type("text/plain")),
         part=True),
    Rule("method is that of the calendar", "RFC 6047, 2.4", MAIL, method_parameter, param("method", "PUBLISH"),
         part=True),
    Rule("method is there", "RFC 5545, 3.7.2", MAIL, method_parameter, param("method", None), part=True),
    Rule("charset is there", "RFC 6047, 2.4", MAIL, charset, param("charset", None), part=True),
    Rule("it is encoded for any way of mail", "RFC 6047, 2.5", MAIL, transfer_encoding,
         header("Content-Transfer-Encoding", "8bit"), part=True),
]


def subjects(path, series):
    if path.endswith(".ics"):
        with open(path, "rb") as file:
            return [Subject("PUBLISH", file.read())]
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.SMTP)
    found = []
    for part in message.walk():
        if part.get_content_type() == "text/calendar":
            raw = part.get_payload(decode=True)
            # What it is meant to be, from elsewhere than the rules about it: the name of the file.
            method = "CANCEL" if "cancel" in path or "postponed" in path else "REQUEST"
            found.append(Subject(method, raw, part, message["from"].addresses[0].addr_spec, tuple(series)))
    assert found, f"{path} has no calendar"
    return found


def main():
    mutate, paths = "--mutate" in sys.argv, [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    checked, broken, series = {rule.name: 0 for rule in RULES}, [], []
    for path in paths:
        found = subjects(path, series)
        for subject in found:
            for rule in RULES:
                if subject.method not in rule.about or (rule.series and not subject.earlier):
                    continue
                if mutate and "BEGIN:VEVENT" not in subject.unfolded():
                    continue
                checked[rule.name] += 1
                problems = list(rule.check(rule.error(subject) if mutate else subject))
                if mutate and not problems:
                    broken.append([path, rule.name, rule.rfc, "its error is not noticed"])
                elif not mutate:
                    broken += [[path, rule.name, rule.rfc, problem] for problem in problems]
        # A digest has an entry for each of its sessions.
        if "digest" not in path and len({subject.raw for subject in found}) != 1:
            broken.append([path, "the parts of one message", "", "differ"])
        if found[0].part is not None:
            series.append(found[0])
    print(json.dumps({"checked": checked, "broken": broken}))


main()
