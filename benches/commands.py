#!/usr/bin/env python3
"""What commands cost a night, release build: answers a second, and the lateness of starts with and without them.

    cargo build --release && benches/commands.py [-n JOBS] [-s SECONDS] [-c CLIENTS]

A session is in maintenance, JOBS periodic jobs are due every second. For SECONDS each, nobody asks anything, then
CLIENTS connections at a time ask, as fast as they are answered:

trouble  a question to the loop        dry_run  what a pause would do, played on a copy of the state
pause    a wish that is recorded       status   the whole status, by a process of its own

One JSON object a line; the first names the machine. The lateness is that of what the jobs themselves wrote.
"""
import argparse, json, os, shutil, socket, statistics, sys, tempfile, threading, time
from daemon import Daemon, machine, percentile, say
from load import STAMP, ask, compiled

ASKS = {
    "nothing": None,
    "trouble": {"do": "trouble"},
    "dry_run": {"do": "ask", "wish": {"wish": "pause", "app": "shop"}, "reason": "bench", "dry_run": True},
    "pause": {"do": "ask", "wish": {"wish": "pause", "app": "other"}, "reason": "bench"},
    "status": {"do": "read", "what": {"command": "status"}, "look": {"json": True}},
}
TOML = """
[mail]
transport = "file"
dir = "mail"
from = "ops@example.org"
[contacts]
technical = ["tech@example.org"]
[notice]
lead = "1s"
to = ["technical"]
[window.now]
from = "{}"
until = "{}"
[window.never]
from = "2099-01-01"
until = "2099-01-02"
[app.shop]
window = "now"
[app.other]
window = "never"
[maintenance.long]
app = "shop"
every = "window"
run = ["sleep", "3000"]
timeout = "1h"
[maintenance.never]
app = "other"
every = "window"
run = ["true"]
"""


def client(path, ask, until, took, refused):
    """One command after another, each on a connection of its own, as commands are."""
    line = json.dumps(ask).encode() + b"\n"
    while time.monotonic() < until:
        began, said = time.monotonic(), b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(line)
            while b'"done"' not in said[-200:] and b'"ended"' not in said and b'"trouble"' not in said[:20]:
                part = connection.recv(65536)
                if not part:
                    break
                said += part
        (refused if b'"refused"' in said[:40] or not said else took).append((time.monotonic() - began) * 1000)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("-n", dest="jobs", type=int, default=50)
    parse.add_argument("-s", dest="seconds", type=int, default=20)
    parse.add_argument("-c", dest="clients", type=int, default=8)
    arguments = parse.parse_args()
    machine()
    folder = tempfile.mkdtemp(dir="/dev/shm")
    stamp, out = compiled(folder, "stamp", STAMP), os.path.join(folder, "out")
    open(out, "w").close()
    at = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    toml = TOML.format(at(4), at(7200))
    for i in range(arguments.jobs):
        toml += (f'[periodic.j{i}]\nschedule = "* * * * * *"\nrun = ["{stamp}", "{out}", "j{i}"]\n'
                 'timeout = "50s"\noverlap = "skip"\n')
    daemon = Daemon(toml)
    daemon.start()
    path = os.path.join(daemon.dir, "state/control.sock")
    # The session begins in the first of these seconds.
    time.sleep(12)
    apps = {app["app"]: app["state"] for app in json.loads(ask(daemon, "status", "--json"))["apps"]}
    if apps["shop"] != "in_maintenance":
        sys.exit(f"no night is going on: {apps}")
    for name, wish in ASKS.items():
        skip, began = len(open(out).readlines()), time.monotonic()
        took, refused, until = [], [], began + arguments.seconds
        threads = [threading.Thread(target=client, args=(path, wish, until, took, refused))
                   for _ in range(arguments.clients if wish else 0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(max(0, until - time.monotonic()))
        passed = time.monotonic() - began
        rows = [float(line.split()[0]) for line in open(out).readlines()[skip:]]
        late = sorted(at % 1 * 1000 for at in rows)
        took.sort()
        answers = {} if not took else dict(
            a_second=round(len(took) / passed, 1), refused=len(refused), p50_ms=round(statistics.median(took), 2),
            p99_ms=round(percentile(took, 0.99), 2))
        say(what=name, clients=len(threads), seconds=round(passed, 1), **answers, starts=len(rows),
            late_p50_ms=round(statistics.median(late), 1), late_p99_ms=round(percentile(late, 0.99), 1),
            late_max_ms=round(late[-1], 1))
    daemon.end()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
