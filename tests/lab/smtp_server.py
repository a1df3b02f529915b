#!/usr/bin/env python3
"""A scriptable SMTP server (aiosmtpd). Behaviour follows the recipient's local part:

code-451@ code-550@   answer RCPT with that code      data-452@   answer the end of DATA with it
hang@  slow-3@        never answer / after 3 s         drop@ dropdata@   close the connection there
hangdata@             keep the message, never answer   acceptdrop@       keep it, close without answering

usage: smtp_server.py LOG.jsonl [--host ADDRESS] [--tls CERT KEY] [--implicit] [--auth USER PASSWORD]
                      [--mail-code CODE] [--greet-code CODE]
Listens on a free port and prints "ready PORT"; every accepted message is one JSON line in LOG.
Ends when its standard input does.
"""
import argparse
import asyncio
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

ap = argparse.ArgumentParser()
ap.add_argument("log")
ap.add_argument("--host", default="127.0.0.1")
ap.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
ap.add_argument("--implicit", action="store_true")
ap.add_argument("--auth", nargs=2, metavar=("USER", "PASSWORD"))
ap.add_argument("--mail-code", help="answer MAIL with this code")
ap.add_argument("--greet-code", help="greet with this code and close")
a = ap.parse_args()
log = open(a.log, "a", buffering=1)
connections = 0
# Its complaints about what the tests do to it on purpose would drown everything else.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def keep(session, envelope):
    log.write(json.dumps({
        "connection": session.number, "tls": bool(session.ssl) or a.implicit,
        "authenticated": bool(session.authenticated), "from": envelope.mail_from, "to": envelope.rcpt_tos,
        "data": envelope.content.decode("utf-8", "replace")}) + "\n")


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        global connections
        if not hasattr(session, "number"):
            connections += 1
            session.number = connections
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        if a.mail_code:
            return a.mail_code + " scripted at MAIL"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local.startswith("code-"):
            return local[5:] + " scripted"
        if local == "drop":
            server.transport.abort()
            return "421 dropped"
        if local == "hang":
            await asyncio.sleep(3600)
        if local.startswith("slow-"):
            await asyncio.sleep(float(local[5:]))
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            local = address.split("@")[0]
            if local.startswith("data-"):
                return local[5:] + " scripted at the end of DATA"
            if local == "dropdata":
                server.transport.abort()
                return "421 dropped"
            if local == "hangdata":
                keep(session, envelope)
                await asyncio.sleep(3600)
            if local == "acceptdrop":
                keep(session, envelope)
                server.transport.abort()
                return "250 lost"
        keep(session, envelope)
        return "250 queued"


class Server(SMTP):
    async def push(self, status):
        if a.greet_code and status.startswith("220 ") and self.session.host_name is None:
            status = a.greet_code + " scripted greeting"
        await super().push(status)


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=isinstance(data, LoginPassword)
                      and [data.login.decode(), data.password.decode()] == a.auth, handled=False)


async def main():
    options, listen = {"enable_SMTPUTF8": False}, {}
    if a.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*a.tls)
        if a.implicit:
            listen["ssl"] = context
        else:
            options |= {"tls_context": context, "require_starttls": True}
    if a.auth:
        options |= {"auth_required": True, "authenticator": authenticate,
                    "auth_require_tls": bool(a.tls) and not a.implicit}
    loop = asyncio.get_running_loop()
    handler = Handler()
    server = await loop.create_server(lambda: Server(handler, **options), a.host, 0, **listen)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
