#!/usr/bin/env python3
"""The daemon under load, release build: many due instants for many minutes, floods of output, a long history.

    cargo build --release && benches/load.py [bursts] [output] [history] [-m MINUTES] [-n JOBS] [-k RUNS] [-r RUNS]

bursts   JOBS periodic jobs, a tenth of them due at once each minute, for MINUTES, at most RUNS (-r) at a time, while the
         metrics are asked for every two seconds. A line a minute: starts, lateness, memory, processes, descriptors, size of the state. At the end the history is held
         against what the jobs themselves wrote: every due instant has one record, every start was recorded once.
         Beside it, in the same run, a bare loop and, where it is installed, cron, both with as many jobs at once.
output   jobs that print 1 GB in several ways while others go on: what they took, what is kept, memory meanwhile.
history  what questions cost with 1,000, 10,000 and 100,000 runs in the state, and the start of the daemon; beside
         them the same rows by sqlite3.

One JSON object a line; the first names the machine. Everything is kept below target/ and /dev/shm, and removed.
"""
import argparse, json, os, shutil, signal, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.request
from daemon import PROGRAM, ROOT, Daemon, bare, below, children, machine, percentile, say

STAMP = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
/* stamp FILE NAME [WORD]: appends when it began, who it is and which run it is; prints the word */
int main(int argc, char **argv) {
    struct timespec now;
    char line[512];
    clock_gettime(CLOCK_REALTIME, &now);
    if (argc < 3) return 2;
    const char *run = getenv("OFFHOURS_RUN");
    int length = snprintf(line, sizeof line, "%lld.%09ld %s %s\n", (long long)now.tv_sec, now.tv_nsec, argv[2],
                          run ? run : "-");
    int file = open(argv[1], O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, length) != length) return 1;
    if (argc > 3) puts(argv[3]);
    return 0;
}
"""
GROUPS = 10


def compiled(folder, name, source):
    path = os.path.join(folder, name)
    with open(path + ".c", "w") as out:
        out.write(source)
    subprocess.run(["cc", "-O2", "-static", "-o", path, path + ".c"], check=True)
    return path


def size_of(folder):
    """Blocks that are taken, and files."""
    taken = files = 0
    level = [folder]
    while level:
        try:
            entries = list(os.scandir(level.pop()))
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                level.append(entry.path)
                continue
            try:
                taken += entry.stat(follow_symlinks=False).st_blocks * 512
                files += 1
            except FileNotFoundError:
                pass
    return taken, files


def memory(pid, *keys):
    """Kilobytes, by the names of /proc/PID/status; 0 where the process has gone."""
    found = dict.fromkeys(keys, 0)
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                key, _, value = line.partition(":")
                if key in found:
                    found[key] = int(value.split()[0])
    except OSError:
        pass
    return [found[key] for key in keys]


class Watch(threading.Thread):
    """Looks at a daemon and what is below it, several times a second."""

    def __init__(self, daemon, pause=0.2):
        super().__init__(daemon=True)
        self.pid, self.pause, self.over = daemon.process.pid, pause, threading.Event()
        self.samples, self.since = [], {}
        self.start()

    def run(self):
        while not self.over.wait(self.pause):
            launcher = (children(self.pid) or [0])[0]
            rss, anonymous = memory(self.pid, "VmRSS", "RssAnon")
            try:
                files = len(os.listdir(f"/proc/{self.pid}/fd"))
            except OSError:
                return
            supervisors = children(launcher) if launcher else []
            held = max((memory(child, "RssAnon")[0] for child in supervisors[:4]), default=0)
            self.samples.append((time.time(), rss, anonymous, memory(launcher, "VmRSS")[0], files,
                                 below(self.pid), held))

    def most(self, since, until):
        """The largest of everything between two instants."""
        within = [sample[1:] for sample in self.samples if since <= sample[0] < until]
        names = ("rss_kb", "anonymous_kb", "launcher_rss_kb", "descriptors", "processes", "supervisor_anonymous_kb")
        return {name: max(values) for name, values in zip(names, zip(*within))}

    def slope(self, since):
        """Anonymous memory in KB a minute after this instant, by least squares over the lowest of each ten seconds:
        what is never given back."""
        lowest = {}
        for at, _, anonymous, *_ in self.samples:
            if at >= since:
                ten = int(at // 10)
                lowest[ten] = min(anonymous, lowest.get(ten, anonymous))
        if len(lowest) < 3:
            return None
        points = [(ten / 6, kb) for ten, kb in lowest.items()]
        x, y = (statistics.fmean(values) for values in zip(*points))
        return round(sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points), 2)

    def end(self):
        self.over.set()
        self.join()


class Scrape(threading.Thread):
    """Asks for the metrics again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.url, self.over, self.took, self.failed = f"http://127.0.0.1:{port}/metrics", threading.Event(), [], 0
        self.start()

    def run(self):
        while not self.over.wait(2):
            began = time.monotonic()
            try:
                urllib.request.urlopen(self.url, timeout=10).read()
                self.took.append((time.monotonic() - began) * 1000)
            except OSError:
                self.failed += 1

    def end(self):
        self.over.set()
        self.join()
        took = sorted(self.took) or [0]
        return dict(scrapes=len(self.took), scrapes_failed=self.failed, scrape_p50_ms=round(percentile(took, 0.5), 1),
                    scrape_last_ms=round(took[-1], 1))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def by_minute(path, skip):
    """(start, job, run) of every job that began, from byte `skip` on; and where the file ended."""
    with open(path) as file:
        file.seek(skip)
        text = file.read()
    whole = text[:text.rfind("\n") + 1]
    rows = [line.split(" ") for line in whole.splitlines()]
    return [(float(at), job, run) for at, job, run in rows], skip + len(whole)


def bursts(arguments):
    folder = tempfile.mkdtemp(dir="/dev/shm")
    stamp, out = compiled(folder, "stamp", STAMP), os.path.join(folder, "out")
    at_once = arguments.jobs // GROUPS
    limit = bare(at_once, tempfile.mkdtemp(dir=folder))
    say(what="bursts_bare", jobs=at_once, last_ms=limit)
    cron(at_once, stamp, folder)
    port = free_port()
    toml = (f"[limits]\nruns = {arguments.runs}\n[state]\nkeep_runs = {arguments.keep}\n"
            f'[http]\nlisten = ["127.0.0.1:{port}"]\n')
    for i in range(arguments.jobs):
        # One in ten prints, so that there are logs.
        word = f', "{"ran " * 20}"' if i // GROUPS % 10 == 0 else ""
        toml += (f'[periodic.j{i}]\nschedule = "0 {i % GROUPS}-59/{GROUPS} * * * *"\n'
                 f'run = ["{stamp}", "{out}", "j{i}"{word}]\ntimeout = "50s"\n')
    daemon = Daemon(toml)
    open(out, "w").close()
    if 60 - time.time() % 60 < 10:
        time.sleep(60 - time.time() % 60 + 1)
    began = time.time()
    daemon.start()
    watch, scrape = Watch(daemon), Scrape(port)
    first = (time.time() // 60 + 1) * 60
    skip, all_late = 0, []
    for minute in range(arguments.minutes):
        due = first + minute * 60
        time.sleep(max(0, due + 58 - time.time()))
        rows, skip = by_minute(out, skip)
        late = sorted((at - due) * 1000 for at, _, _ in rows)
        all_late += late
        taken, files = size_of(os.path.join(daemon.dir, "state"))
        lateness = {} if not late else dict(p50_ms=round(percentile(late, 0.5), 1), p99_ms=round(percentile(late, 0.99), 1),
                                            last_ms=round(late[-1], 1))
        say(what="bursts_minute", minute=minute, starts=len(late), **lateness, **watch.most(due, due + 58),
            state_kb=taken // 1024, state_files=files)
    watch.end()
    scraped = scrape.end()
    cpu = open(f"/proc/{daemon.process.pid}/stat").read().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    daemon.process.send_signal(signal.SIGTERM)
    code = daemon.process.wait(60)
    verdict = judge(daemon, out, first, arguments)
    all_late.sort()
    say(what="bursts", minutes=arguments.minutes, jobs=arguments.jobs, runs_limit=arguments.runs, exit=code,
        p50_ms=round(percentile(all_late, 0.5), 1), p99_ms=round(percentile(all_late, 0.99), 1),
        last_ms=round(all_late[-1], 1), bare_last_ms=limit,
        daemon_cpu_s=round((int(cpu[11]) + int(cpu[12])) / ticks, 2),
        anonymous_slope_kb_per_minute=watch.slope(began + 60 * min(3, arguments.minutes / 3)), **scraped, **verdict)
    shutil.rmtree(daemon.dir)
    shutil.rmtree(folder)
    if code or any(verdict[key] for key in ("lost", "twice", "not_recorded", "not_run")):
        sys.exit("the record is not what happened")


def judge(daemon, out, first, arguments):
    """Every due instant in exactly one record; every start in the history once, and every run of it began once."""
    rows = json.loads(ask(daemon, "history", "--json", "--all"))
    stamped, _ = by_minute(out, 0)
    began = {}
    for _, job, run in stamped:
        # RUN.ATTEMPT.NONCE
        key = (job, ".".join(run.split(".")[:2]))
        began[key] = began.get(key, 0) + 1
    records, ran = {}, set()
    for row in rows:
        assert row["what"] == "periodic", row
        if row["run"]:
            ran.add((row["job"], f'{row["run"]}.{row["attempt"]}'))
        for due in ([row["due"]] if row.get("due_count", 1) == 1 else [row["due"], row["due_first"]]):
            records[(row["job"], due)] = records.get((row["job"], due), 0) + 1
    # Older ones were forgotten.
    kept = range(max(0, arguments.minutes - arguments.keep * GROUPS), arguments.minutes)
    expected = set()
    for minute in kept:
        at = first + minute * 60
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        group = int(at // 60) % 60 % GROUPS
        expected |= {(f"j{i}", due) for i in range(group, arguments.jobs, GROUPS)}
    oldest = min(due for _, due in expected)
    bad = [row for row in rows if row["outcome"] not in ("succeeded", "skipped")]
    return dict(
        expected=len(expected), started=len(stamped), records=len(rows),
        lost=len(expected - records.keys()),
        twice=sum(count > 1 for count in began.values()) + sum(count > 1 for count in records.values()),
        not_recorded=sum(key not in ran for key in began) if not arguments.minutes > arguments.keep * GROUPS else 0,
        not_run=sum(key not in began for key in ran),
        skipped=sum(row["outcome"] == "skipped" and row["due"] >= oldest for row in rows), bad=len(bad))


def ask(daemon, *arguments):
    command = [PROGRAM, "--config", daemon.file, *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def cron(jobs, stamp, folder):
    """The same burst by Debian's cron, with its tables and its folder of process ids in a mount namespace."""
    program = shutil.which("cron", path=os.environ["PATH"] + ":/usr/sbin")
    if not program or os.geteuid():
        return say(what="bursts_cron", left_out="cron is not installed, or this is not root")
    place = tempfile.mkdtemp(dir=os.path.join(ROOT, "target"))
    tables, spool, out = os.path.join(place, "cron.d"), os.path.join(place, "spool"), os.path.join(folder, "cron-out")
    os.mkdir(tables), os.mkdir(spool)
    with open(os.path.join(tables, "jobs"), "w") as table:
        table.writelines(f"* * * * * root {stamp} {out} j{i}\n" for i in range(jobs))
    os.chmod(os.path.join(tables, "jobs"), 0o644)
    os.chown(os.path.join(tables, "jobs"), 0, 0)
    script = ('mount -t tmpfs t /run && mount --bind "$0"/cron.d /etc/cron.d && mount --bind "$0"/spool '
              '/var/spool/cron/crontabs && mount --bind /dev/null /etc/crontab && exec "$1" -f')
    process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script, place, program],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    due = (time.time() // 60 + 1) * 60
    if due - time.time() < 3:
        due += 60
    time.sleep(due + 45 - time.time())
    late = sorted((at - due) * 1000 for at, _, _ in by_minute(out, 0)[0] if at >= due) if os.path.exists(out) else []
    process.terminate()
    process.wait()
    shutil.rmtree(place)
    say(what="bursts_cron", jobs=jobs, starts=len(late), **({} if not late else dict(
        p50_ms=round(percentile(late, 0.5), 1), p99_ms=round(percentile(late, 0.99), 1), last_ms=round(late[-1], 1))))


FLOODS = {
    # What is printed, and how: 1 GiB each.
    "lines": "yes 'a line of output that is as long as most lines are' | head -c 1G",
    "no_newline": "head -c 1G /dev/zero | tr '\\0' x",
    "stderr": "head -c 1G /dev/zero | tr '\\0' x >&2",
    "bare_pipe": "exec head -c 1G /dev/zero",
    # The job ends at once; what it left goes on printing, in a session of its own, and is waited for.
    "grandchild": "setsid sh -c 'head -c 1G /dev/zero' & exit 0",
}
SHORT = "i=0; while [ $i -lt 200000 ]; do echo $i; i=$((i+1)); done"


def output(arguments):
    folder = tempfile.mkdtemp(dir="/dev/shm")
    stamp, out = compiled(folder, "stamp", STAMP), os.path.join(folder, "out")
    for name, script in {**FLOODS, "short_lines": SHORT}.items():
        open(out, "w").close()
        began = time.monotonic()
        subprocess.run(["sh", "-c", f"({script}) 2>&1 | cat >/dev/null"], check=True)
        alone = time.monotonic() - began
        # At the start, once: it is due in a second or two, and then not for a year.
        at = time.gmtime(time.time() + 3)
        daemon = Daemon(
            f'[periodic.flood]\nschedule = "{at.tm_sec} {at.tm_min} {at.tm_hour} {at.tm_mday} {at.tm_mon} *"\n'
            f"script = {json.dumps(script)}\ntimeout = \"10m\"\n"
            f'[periodic.other]\nschedule = "* * * * * *"\nrun = ["{stamp}", "{out}", "other"]\ntimeout = "10s"\n')
        daemon.start()
        watch = Watch(daemon, 0.05)
        rows, deadline = [], time.monotonic() + 300
        while not rows and time.monotonic() < deadline:
            time.sleep(0.2)
            rows = json.loads(ask(daemon, "history", "flood", "--json"))
        watch.end()
        row = rows[0]
        log = json.loads(ask(daemon, "logs", "flood", "--json"))
        others = sorted((at % 1) * 1000 for at, _, _ in by_minute(out, 0)[0])
        most = watch.most(0, time.time() + 1)
        say(what="output", of=name, seconds=round(row["elapsed_s"], 2), into_cat_seconds=round(alone, 2),
            outcome=row["outcome"], printed=row["output_bytes"], log_bytes=log["bytes"],
            head_and_tail="left out here" in log["text"] or row["output_bytes"] < 1 << 20,
            daemon_rss_kb=most["rss_kb"], supervisor_anonymous_kb=most["supervisor_anonymous_kb"],
            others=len(others), others_last_ms=round(others[-1], 1) if others else None)
        daemon.end()
    shutil.rmtree(folder)


QUESTIONS = [
    ["status"], ["status", "--json"], ["history", "--limit", "20"], ["history", "{job}", "--limit", "20"],
    ["history", "{rare}"], ["history", "--since", "{day}", "--limit", "20"], ["history", "--since", "{day}", "--json"],
    ["history", "--failed", "--limit", "20"], ["history", "--failed", "--json"], ["history", "--json"],
    ["logs", "{new}"], ["logs", "{old}"], ["logs", "{job}"], ["plan", "--days", "7"],
]
ROWS = {
    "newest 20": "SELECT body FROM facts WHERE line IS NOT NULL ORDER BY seq DESC LIMIT 20",
    "all": "SELECT body FROM facts WHERE line IS NOT NULL ORDER BY seq DESC",
}


def measured(command, rounds):
    """Median time, also of the processor, the largest peak of memory (never under that of this script), and the length
    of the answer."""
    seconds, cpu, peak, length = [], [], 0, 0
    for _ in range(rounds):
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        length = 0
        while piece := process.stdout.read(1 << 20):
            length += len(piece)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(time.monotonic() - began)
        cpu.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss)
        # `status` says by 1 that something needs a person.
        if process.returncode not in (0, 1):
            sys.exit(f"{command}: {process.returncode}")
    return dict(ms=round(statistics.median(seconds) * 1000, 1), cpu_ms=round(statistics.median(cpu) * 1000, 1),
                peak_kb=peak, bytes=length)


def past_toml():
    """500 periodic jobs and 20 apps with a session each night: about 1,300 runs a day."""
    toml = ('[state]\nkeep_runs = 1000000\nkeep_failures = "180d"\n[mail]\ntransport = "file"\nfrom = "ops@example.org"\n'
            '[notice]\nto = ["a@example.org"]\noperators = ["a@example.org"]\n[window.night]\ndays = "daily"\nstart = "22:00"\n'
            'end = "05:00"\n')
    for i in range(500):
        minute = i * 7 % 60
        schedule = f"{minute} * * * *" if i < 20 else f"{minute} */6 * * *" if i < 100 else f"{minute} {i % 24} * * *"
        toml += f'[periodic.p{i}]\nschedule = "{schedule}"\nrun = ["/bin/true"]\ntimeout = "5m"\nmissed = "skip"\n'
    for a in range(20):
        toml += (f'[app.a{a}]\nwindow = "night"\nenter = [{{ run = ["/bin/true"] }}]\n'
                 f'leave = [{{ run = ["/bin/true"] }}]\n')
        for m in range(2):
            toml += (f'[maintenance.a{a}m{m}]\napp = "a{a}"\nrun = ["/bin/true"]\nevery = "window"\nestimate = "10m"\n'
                     'timeout = "20m"\n')
    return toml


def history(arguments):
    for runs in arguments.past:
        daemon = Daemon(past_toml())
        command = ["cargo", "bench", "-q", "--locked", "--bench", "past", "--", daemon.file, str(runs)]
        made = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
        state = os.path.join(daemon.dir, "state")
        taken, files = size_of(state)
        db = os.path.join(state, "state.db")
        say(what="history_made", **made, state_kb=taken // 1024, files=files, db_kb=os.path.getsize(db) // 1024)
        logged = [int(name.split(".")[0]) for _, _, names in os.walk(os.path.join(state, "logs")) for name in names]
        day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400))
        words = dict(job="p3", rare="p400", day=day, new=max(logged), old=min(logged))
        for question in QUESTIONS:
            command = [PROGRAM, "--config", daemon.file] + [word.format(**words) for word in question]
            say(what="history", runs=runs, question=" ".join(question), **measured(command, arguments.rounds))
        for name, query in ROWS.items():
            script = f"import sqlite3, sys\nfor row in sqlite3.connect({db!r}).execute({query!r}): sys.stdout.write(row[0])"
            say(what="history_python", runs=runs, rows=name, **measured([sys.executable, "-c", script], arguments.rounds))
            if shutil.which("sqlite3"):
                say(what="history_sqlite3", runs=runs, rows=name, **measured(["sqlite3", db, query], arguments.rounds))
        starts, peaks = [], []
        # A start records that there was one: each begins with the same rows. The logs are only listed by it.
        kept = daemon.dir + "-state.db"
        shutil.copy2(db, kept)
        for _ in range(arguments.rounds):
            for left in ("-wal", "-shm"):
                if os.path.exists(db + left):
                    os.remove(db + left)
            shutil.copy2(kept, db)
            began = time.monotonic()
            daemon.start(pause=0.001)
            starts.append((time.monotonic() - began) * 1000)
            peaks.append(daemon.status("VmHWM:"))
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            daemon.log.truncate(0)
        os.remove(kept)
        say(what="history_start", runs=runs, ms=round(statistics.median(starts), 1), peak_kb=max(peaks))
        shutil.rmtree(daemon.dir)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", nargs="*", default=["bursts", "output", "history"])
    parser.add_argument("-m", "--minutes", type=int, default=10)
    parser.add_argument("-n", dest="jobs", type=int, default=10_000)
    parser.add_argument("-k", dest="keep", type=int, default=200, help="[state] keep_runs")
    parser.add_argument("-r", dest="runs", type=int, default=64, help="[limits] runs")
    parser.add_argument("--past", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    machine()
    for what in arguments.what:
        {"bursts": bursts, "output": output, "history": history}[what](arguments)


if __name__ == "__main__":
    main()
