#!/usr/bin/env python3
"""Figures of the whole daemon, release build: memory, wakeups, lateness of starts, planning.

    cargo build --release && benches/daemon.py [idle] [late] [plan] [-n JOBS] [-b BURSTS] [-s SECONDS]

idle  resident memory and voluntary switches a minute with 10 and with 10,000 yearly periodic jobs
late  JOBS periodic jobs due in the same second: when the job itself began, after the due instant; and beside it, in
      the same run, a bare loop that takes a lock, records 200 bytes with fdatasync and spawns, for each
plan  `plan --days 365 --json` for 1,000 maintenance jobs on 100 windows

One JSON object a line; the first names the machine. The state is kept in a fresh folder below target/.
"""
import argparse, json, os, platform, shutil, signal, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "target/release/offhours")
BARE = r"""
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
/* bare FOLDER N PROGRAM ARGUMENT: a lock, a durable record and a process, N times */
int main(int argc, char **argv) {
    char path[4096], record[200], argument[4096];
    if (argc < 5) return 2;
    memset(record, 'r', sizeof record);
    snprintf(path, sizeof path, "%s/journal", argv[1]);
    int journal = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600), n = atoi(argv[2]);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%d.lock", argv[1], i);
        int lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB)) return 1;
        if (write(journal, record, sizeof record) != sizeof record || fdatasync(journal)) return 1;
        snprintf(argument, sizeof argument, "%s/j%d", argv[4], i);
        char *child[] = {argv[3], argument, 0};
        pid_t pid;
        if (posix_spawn(&pid, argv[3], 0, 0, child, environ)) return 1;
        while (waitpid(-1, 0, WNOHANG) > 0) {}
    }
    while (wait(0) > 0) {}
    return 0;
}
"""


def say(**figures):
    print(json.dumps(figures), flush=True)


class Daemon:
    """The built program on a made-up configuration, in a folder of its own."""

    def __init__(self, toml):
        self.dir = tempfile.mkdtemp(dir=os.path.join(ROOT, "target"))
        self.file = os.path.join(self.dir, "windows.toml")
        with open(self.file, "w") as out:
            out.write('time_zone = "UTC"\n' + toml)
        self.log = open(os.path.join(self.dir, "log"), "w+")

    def start(self, pause=0.02):
        self.process = subprocess.Popen(
            [PROGRAM, "--config", self.file, "run"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        deadline = time.monotonic() + 30
        while "daemon started" not in open(self.log.name).read():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the daemon did not start:\n" + open(self.log.name).read())
            time.sleep(pause)

    def status(self, key):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith(key)).split()[1])

    def switches(self):
        """Of all threads and of the launcher; a thread that has ended takes its share along."""
        total = {}
        for pid in [self.process.pid] + children(self.process.pid):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/status") as status:
                    line = next(line for line in status if line.startswith("voluntary"))
                    total[thread] = int(line.split()[1])
        return total

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        shutil.rmtree(self.dir)
        if code:
            sys.exit(f"the daemon ended with {code}")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as found:
            return [int(child) for child in found.read().split()]
    except OSError:
        return []


def below(pid):
    """Processes below this one, whatever they are."""
    found, level = 0, [pid]
    while level:
        level = [child for parent in level for child in children(parent)]
        found += len(level)
    return found


def idle(arguments):
    for jobs in (10, 10_000):
        daemon = Daemon("".join(
            f'[periodic.j{i}]\nschedule = "{i % 60} {i // 60 % 24} 15 6 *"\nrun = ["/bin/true"]\ntimeout = "1m"\n'
            for i in range(jobs)
        ))
        daemon.start()
        time.sleep(12)      # the threads of the start have gone
        before = daemon.switches()
        time.sleep(arguments.seconds)
        after = daemon.switches()
        woken = sum(after[thread] - before.get(thread, 0) for thread in after)
        say(what="idle", jobs=jobs, rss_kb=daemon.status("VmRSS:"), peak_kb=daemon.status("VmHWM:"),
            anonymous_kb=daemon.status("RssAnon:"), wakeups_per_minute=round(woken * 60 / arguments.seconds, 1))
        daemon.end()


def machine():
    with open("/proc/cpuinfo") as cpus:
        model = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), "unknown")
    say(what="machine", cpus=os.cpu_count(), model=model, kernel=platform.release(), load=os.getloadavg()[0])


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def stamps(folder, due):
    return sorted((os.stat(entry.path).st_mtime - due) * 1000 for entry in os.scandir(folder))


def bare(jobs, stamp):
    """The same start, bare: the last of them in milliseconds after the first instruction."""
    folder = tempfile.mkdtemp(dir=os.path.join(ROOT, "target"))
    source = os.path.join(folder, "bare.c")
    with open(source, "w") as out:
        out.write(BARE)
    subprocess.run(["cc", "-O2", "-o", folder + "/bare", source], check=True)
    last = []
    for _ in range(3):
        for entry in os.scandir(stamp):
            os.unlink(entry.path)
        due = time.time()
        subprocess.run([folder + "/bare", folder, str(jobs), "/usr/bin/touch", stamp], check=True)
        last.append(stamps(stamp, due)[-1])
    shutil.rmtree(folder)
    return round(statistics.median(last), 1)


def late(arguments):
    period, jobs = 20, arguments.jobs
    stamp = tempfile.mkdtemp(dir="/dev/shm")
    limit = bare(jobs, stamp)
    daemon = Daemon("[limits]\nruns = 256\n" + "".join(
        f'[periodic.j{i}]\nschedule = "*/{period} * * * * *"\nrun = ["/usr/bin/touch", "{stamp}/j{i}"]\ntimeout = "15s"\n'
        for i in range(jobs)
    ))
    daemon.start()
    due = (time.time() // period + 1) * period
    if due - time.time() < 3:
        due += period
    for burst in range(arguments.bursts):
        time.sleep(max(0, due - time.time() - 1))
        for entry in os.scandir(stamp):
            os.unlink(entry.path)
        most = 0
        while time.time() < due + 8:
            if time.time() < due + 1.5:
                most = max(most, below(daemon.process.pid))
                time.sleep(0.02)
            else:
                time.sleep(0.5)
        values = stamps(stamp, due)
        say(what="late", burst=burst, jobs=jobs, began=len(values), p50_ms=round(percentile(values, 0.5), 1),
            p99_ms=round(percentile(values, 0.99), 1), last_ms=round(values[-1], 1), bare_last_ms=limit,
            processes=most, rss_kb=daemon.status("VmRSS:"))
        due += period
    daemon.end()
    shutil.rmtree(stamp)


def plan(_):
    toml = ('[mail]\ntransport = "file"\nfrom = "ops@example.org"\n[notice]\nto = ["a@example.org"]\n'
            'operators = ["a@example.org"]\n')
    for w in range(100):
        toml += f'[window.w{w}]\ndays = "daily"\nstart = "22:{w % 60:02}"\nend = "05:00"\n[app.a{w}]\nwindow = "w{w}"\n'
    for j in range(1000):
        toml += (f'[maintenance.j{j}]\napp = "a{j % 100}"\nrun = ["/bin/true"]\nevery = "window"\n'
                 'estimate = "10m"\ntimeout = "20m"\n')
    daemon = Daemon(toml)
    for _ in range(3):
        started = time.monotonic()
        command = [PROGRAM, "--config", daemon.file, "plan", "--days", "365", "--json"]
        answer = subprocess.run(command, check=True, capture_output=True).stdout
        took = time.monotonic() - started
        sessions = json.loads(answer)["sessions"]
        say(what="plan", seconds=round(took, 2), sessions=len(sessions), steps=sum(len(s["steps"]) for s in sessions),
            bytes=len(answer))
    shutil.rmtree(daemon.dir)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", nargs="*", default=["idle", "late", "plan"])
    parser.add_argument("-n", dest="jobs", type=int, default=1000)
    parser.add_argument("-b", dest="bursts", type=int, default=3)
    parser.add_argument("-s", dest="seconds", type=int, default=60)
    arguments = parser.parse_args()
    machine()
    for what in arguments.what:
        {"idle": idle, "late": late, "plan": plan}[what](arguments)


if __name__ == "__main__":
    main()
