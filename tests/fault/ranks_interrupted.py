# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl+C while ranks meet: each ends at once, and with a sentence, not with c10d's backtraces."""
import signal
import socket
import subprocess
import sys
import time

HANGS = 300    # seconds that only a hang reaches; a rank left alone would wait for twice as long
SENTENCES = ("Interrupted.", "Rank 0 was interrupted.", "lost the others while they met")


def lines_at(port):
    """How many lines to this port of the loopback are open."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    with open("/proc/net/tcp6") as table:
        rows += [line.split() for line in list(table)[1:]]
    return sum(row[3] == "01" and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows)


def started(command, env=None):
    return subprocess.Popen([str(part) for part in command], env=env, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(what, process, statuses):
    try:
        error = process.communicate(timeout=HANGS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit(f"{what}: it did not end")
    if any(mark in error for mark in ("frame #", "[W", "[E")):
        sys.exit(f"{what}: a backtrace was printed:\n{error}")
    if process.returncode not in statuses:
        sys.exit(f"{what}: status {process.returncode}, not of {statuses}\n{error}")
    if process.returncode > 0 and not any(sentence in error for sentence in SENTENCES):
        sys.exit(f"{what}: no sentence says why:\n{error}")


def check(cli, file, environment, rank_environment, free_port):
    # Rank 0 and rank 1 of three wait for the last one.
    port = free_port()
    command = [cli, "train", file, "--wait-for-ranks", 2 * HANGS]
    ranks = [started(command, rank_environment(rank, 3, port)) for rank in (0, 1)]
    while lines_at(port) < 2 and all(rank.poll() is None for rank in ranks):
        time.sleep(0.01)
    ranks[0].send_signal(signal.SIGINT)
    for rank, process in enumerate(ranks):
        ended(f"rank {rank}, where rank 0 was interrupted", process, (3, 130))
    # Rank 1 has found nobody who speaks c10d yet.
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        rank = started(command, rank_environment(1, 2, mute.getsockname()[1]))
        mute.accept()[0].close()
        rank.send_signal(signal.SIGINT)
        ended("rank 1, interrupted before rank 0 came", rank, (130,))
        # Nor does it wait without end for what never answers.
        told = started([*command[:3], "--wait-for-ranks", 1],
                       rank_environment(1, 2, mute.getsockname()[1]))
        if "found no rank 0 at" not in told.communicate(timeout=HANGS)[1] or told.returncode != 3:
            sys.exit("a port that says nothing: no sentence says so")
    # A launcher's Ctrl+C, wherever its ranks are.
    for seconds in (0.1, 0.2, 0.4):
        launcher = started([cli, "launch", "--nproc", 3, *command[2:]], environment())
        time.sleep(seconds)
        launcher.send_signal(signal.SIGINT)
        ended(f"a launcher after {seconds} s", launcher, (0, 130, -signal.SIGINT))    # by the signal before it listens to it
    print("ok   ranks, interrupted while they meet: sentences, and an end at once", flush=True)
