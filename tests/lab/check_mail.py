#!/usr/bin/env python3
"""An independent reader: parses messages strictly and says what it found.

usage: check_mail.py FILE.eml…
Prints one JSON object a message: headers, parts, the calendar entry, and `problems`, which is empty if all is well.
"""
import email
import email.policy
import json
import sys

import icalendar

NEEDED = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "ORGANIZER", "ATTENDEE", "SUMMARY", "STATUS"}


def calendar(part, problems):
    raw = part.get_payload(decode=True)
    for line in raw.split(b"\r\n"):
        if len(line) > 75:
            problems.append(f"line of {len(line)} octets")
        if b"\n" in line or b"\r" in line:
            problems.append("bare line end")
        try:
            line.decode()
        except UnicodeDecodeError:
            problems.append("folded within a character")
    entry = icalendar.Calendar.from_ical(raw)
    if entry.errors:
        problems.append(str(entry.errors))
    method = str(entry["METHOD"])
    if part.get_param("method") != method:
        problems.append("the method of the part is not that of the calendar")
    if part.get_content_charset() != "utf-8":
        problems.append("charset")
    (event,) = entry.walk("VEVENT")
    if event.errors:
        problems.append(str(event.errors))
    if NEEDED - set(event):
        problems.append(f"missing {NEEDED - set(event)}")
    for name in ("DTSTAMP", "DTSTART", "DTEND"):
        if not event[name].to_ical().endswith(b"Z"):
            problems.append(f"{name} is not in UTC")
    attendee = event["ATTENDEE"]
    return {
        "method": method, "uid": str(event["UID"]), "sequence": int(event["SEQUENCE"]),
        "status": str(event["STATUS"]), "summary": str(event["SUMMARY"]),
        "description": str(event["DESCRIPTION"]),
        "starts": event["DTSTART"].dt.isoformat(), "ends": event["DTEND"].dt.isoformat(),
        "organizer": str(event["ORGANIZER"]), "attendee": str(attendee),
        "attendee_name": str(attendee.params.get("CN", "")), "rsvp": str(attendee.params["RSVP"]),
    }


def check(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.SMTP)
    problems, parts, entries = [], [], []
    for part in message.walk():
        problems += [repr(defect) for defect in part.defects]
        for value in part.values():
            problems += [repr(defect) for defect in getattr(value, "defects", ())]
        parts.append(part.get_content_type())
        if part.get_content_type() == "text/calendar":
            entries.append(calendar(part, problems))
    if len({json.dumps(entry) for entry in entries}) > 1:
        problems.append("the two calendar parts differ")
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    return {
        "headers": {name.lower(): str(value) for name, value in message.items()}, "parts": parts, "text": text,
        "html": html, "entry": entries[0] if entries else None, "problems": problems,
        "to_name": message["to"].addresses[0].display_name,
    }


for path in sys.argv[1:]:
    print(json.dumps(check(path)))
