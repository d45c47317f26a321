# SPDX-License-Identifier: GPL-3.0-or-later
"""luthier-cli as the cases call it: a process a command, or, with the library that
tests/parity/ready.cpp makes, a child of one that stands before main."""
import json
import os
import signal
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HANG = 3600   # seconds: a limit that no busy machine reaches


class Failure(Exception):
    """The program under test did something that stops the case."""


@dataclass
class Ended:
    """How a command ended: a negative status is the signal that killed it."""
    returncode: int
    stdout: str
    stderr: str
    processor_seconds: float
    peak_bytes: int


class Ready:
    """The program standing before main, in a process of its own that ends with this object's pipe."""

    def __init__(self, path, library):
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.process = subprocess.Popen(
            [str(path)], pass_fds=(requests, answers), stdin=subprocess.DEVNULL,
            env=os.environ | {"LD_PRELOAD": str(library), "READY_PIPES": f"{requests} {answers}"})
        os.close(requests)
        os.close(answers)
        self.folder = tempfile.TemporaryDirectory(prefix="said-")

    def numbers(self, count):
        wanted, got = 8 * count, b""
        while len(got) < wanted:
            piece = os.read(self.answers, wanted - len(got))
            if not piece:
                raise Failure("luthier-cli: what stands before its main has ended")
            got += piece
        return struct.unpack(f"={count}q", got)

    def end(self, arguments, timeout, cwd, processor_limit):
        said = [Path(self.folder.name) / name for name in ("stdout", "stderr")]
        texts = [os.fsencode(str(each)) for each in (cwd or os.getcwd(), *said, processor_limit,
                                                     *arguments)]
        message = struct.pack("=I", len(texts)) + b"".join(
            struct.pack("=I", len(text)) + text for text in texts)
        while message:
            message = message[os.write(self.requests, message):]
        child, = self.numbers(1)
        late = threading.Event()

        def kill():
            late.set()
            os.kill(child, signal.SIGKILL)

        watch = threading.Timer(timeout, kill)
        watch.start()
        status, microseconds, peak = self.numbers(3)
        watch.cancel()
        if late.is_set():
            raise subprocess.TimeoutExpired(arguments, timeout)
        out, err = (path.read_text() if path.exists() else "" for path in said)
        return Ended(os.waitstatus_to_exitcode(status), out, err, microseconds / 1e6, peak * 1024)


class Program:
    """`library`: None, or the one that lets it stand before main."""

    def __init__(self, path, library=None):
        self.path, self.library, self.ready, self.seconds = path, library, None, 0.0

    def another(self):
        """The same for another process, which must not share a pipe with this one."""
        return Program(self.path, self.library)

    def end(self, *arguments, timeout=HANG, cwd=None, processor_limit=0, before=None,
            environment=None):
        """Runs the command line to its end, whatever that is. `before` is done in the child first,
        and `environment` is added to what the child has: for either that is a process of its
        own."""
        start = time.time()
        arguments = [str(each) for each in arguments]
        try:
            if self.library and before is None and environment is None:
                self.ready = self.ready or Ready(self.path, self.library)
                return self.ready.end(arguments, timeout, cwd, processor_limit)
            return self.alone(arguments, timeout, cwd, processor_limit, before, environment)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.shown(arguments)}: no end after {timeout} s") from None
        finally:
            self.seconds += time.time() - start

    def alone(self, arguments, timeout, cwd, processor_limit, before, environment):
        import resource

        def prepare():
            if processor_limit:
                resource.setrlimit(resource.RLIMIT_CPU, (processor_limit, processor_limit))
            if before:
                before()

        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen([str(self.path), *arguments], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err, cwd=cwd, preexec_fn=prepare,
                                       env=os.environ | (environment or {}))
            watch = threading.Timer(timeout, process.kill)
            watch.start()
            began = time.time()
            _, status, usage = os.wait4(process.pid, 0)
            watch.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode == -signal.SIGKILL and time.time() - began >= timeout:
                raise subprocess.TimeoutExpired(arguments, timeout)
            out.seek(0), err.seek(0)
            return Ended(process.returncode, out.read(), err.read(),
                         usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def shown(self, arguments):
        """A command for a sentence, without the long list of gradients."""
        return " ".join([str(self.path), *(
            part for index, part in enumerate(arguments)
            if "--grad" not in arguments[max(0, index - 1):index + 1])])

    def run(self, *arguments, status=0, timeout=HANG, cwd=None, environment=None):
        """Runs the command line; anything but the exit status asked for is a failure. Returns
        stdout."""
        done = self.end(*arguments, timeout=timeout, cwd=cwd, environment=environment)
        if done.returncode != status:
            shown = self.shown([str(each) for each in arguments])
            raise Failure(f"{shown}: exit {done.returncode} instead of {status}: "
                          f"{done.stderr.strip()[-900:] or done.stdout[-300:]}")
        return done.stdout

    def json(self, *arguments, **options):
        out = self.run(*arguments, **options)
        try:
            return json.loads(out)
        except ValueError:
            raise Failure(f"{' '.join(map(str, arguments))}: stdout is not one JSON document: "
                          f"{out[:300]!r}") from None
