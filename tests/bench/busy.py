# SPDX-License-Identifier: GPL-3.0-or-later
"""Training beside other busy programs: what is left of the idle speed, against a fair share of the
machine. With n cores and k busy programs of one thread, a scheduler that is fair to threads gives n
threads n / (n + k) of the cores; the goal is 80 % of that. What watching the machine costs while it
is
idle is measured against a run whose way of waiting a person has set (as long a spin as OpenMP's own
default), which is then not watched."""
import contextlib
import statistics
import subprocess
import sys

GOAL_BUSY, GOAL_IDLE = 0.8, 0.03
LIBGOMPS_OWN = "300000"      # turns that libgomp's threads spin where nothing is set


@contextlib.contextmanager
def busy_programs(count):
    """`count` programs that compute all the time, in the same session as what is measured."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
        for program in programs:
            program.wait()


def beside_others(train, cores, rounds):
    """train(settings) -> tokens/s under these environment variables. Returns the row's figures."""
    idle, fixed = [], []
    for _ in range(rounds):
        idle.append(train({}))
        fixed.append(train({"GOMP_SPINCOUNT": LIBGOMPS_OWN}))
    figures = {"idle": statistics.median(idle),
               "cost": 1 - statistics.median(a / b for a, b in zip(idle, fixed))}
    for others in (1, 2):
        with busy_programs(others):
            speed = statistics.median(train({}) for _ in range(rounds))
        figures[f"beside {others}"] = speed
        figures[f"share beside {others}"] = speed / figures["idle"] / (cores / (cores + others))
    return figures


def described(name, figures):
    shares = [f"beside {others}: {figures[f'beside {others}']:.0f} ({100 * figures[f'share beside {others}']:.0f} % of a "
              f"fair share, goal {100 * GOAL_BUSY:.0f} %)" for others in (1, 2)]
    return (f"busy, {name}: tokens/s idle {figures['idle']:.0f} ({100 * figures['cost']:+.1f} % lost to threads that "
            f"always spin, goal {100 * GOAL_IDLE:.0f} %), {', '.join(shares)}")
