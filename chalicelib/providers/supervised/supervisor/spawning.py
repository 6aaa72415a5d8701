"""Start a program: on the host, as the main process of namespaces of its own, or within those of another process.

In namespaces of its own the first process (PID 1) is not the program but its init, as the image of Spark has `tini`:
it hands signals on to the program, reaps what loses its parent, and ends with the program's exit code, whereupon the
kernel ends all that is left. The init is a fork of the supervisor, so it costs neither time nor much memory.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import NamedTuple, NoReturn

from chalicelib.providers.supervised.records import MountPlan
from chalicelib.providers.supervised.supervisor import namespaces, root
from chalicelib.providers.supervised.supervisor.processes import (
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    adopt_orphans,
    prctl,
)

RESET_SIGNALS = (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ)
FAILED = 128  # the exit code of what could not become the program
INIT = 1  # the process id of an init in its namespace
LAST_DESCRIPTOR = 2**20


class Program(NamedTuple):
    """What to start. `streams` are descriptors of its input, output and errors."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    streams: tuple[int, int, int]
    no_new_privileges: bool = False
    takes_terminal: bool = False  # make its input the terminal of its session


class Started(NamedTuple):
    """Process ids: of the child to wait for and to signal, and of the program itself, which may be the same."""

    child: int
    main: int


def spawn(program: Program) -> Started:
    """Start a program in a session of its own. Returns when it runs. Raises OSError if it can't be started."""
    report, reporter = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(program, reporter=reporter, parent=parent)
    os.close(reporter)
    with os.fdopen(report, "rb") as pipe:
        _raise_failure(pid, pipe.read())
    return Started(pid, pid)


def spawn_within(program: Program, neighbour: int) -> Started:
    """Do the same in the namespaces of another process. The child waits for the program and ends as it does."""
    report, reporter = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            run_within(program, neighbour, reporter=reporter)
        os._exit(FAILED)
    os.close(reporter)
    with os.fdopen(report, "rb") as pipe:
        _raise_failure(pid, pipe.read())
    return Started(pid, pid)


def run_within(program: Program, neighbour: int, *, reporter: int) -> NoReturn:
    """Run a program in the namespaces of another process and exit as it does; see spawn_within().

    Only in a process with one thread. Why it can't be started is written to `reporter`.
    """
    code = FAILED
    try:
        namespaces.join(neighbour)
        pid = os.fork()
        if pid == 0:
            _become(program, reporter=reporter, parent=0)  # out here: it sees no parent
        os.closerange(0, LAST_DESCRIPTOR)  # else who reads the program's output would not see its end
        code = _exit_code(os.waitpid(pid, 0)[1])
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(reporter, _failure(error))
    finally:
        os._exit(code)


def spawn_isolated(program: Program, mounts: list[MountPlan]) -> Started:
    """Start a program in mount and PID namespaces of its own, with these mounts. The child is its init.

    Raises OSError if that or the program can't be. See namespaces.acquire() for what must have happened before.
    """
    report, reporter = os.pipe()
    go, starter = os.pipe()
    parent = os.fork()
    if parent == 0:
        _start_init(program, mounts, reporter=reporter, go=go, unused=(report, starter))
    os.close(reporter)
    os.close(go)
    with os.fdopen(starter, "wb", buffering=0) as starting, os.fdopen(report, "rb") as pipe:
        first = pipe.readline()
        os.waitpid(parent, 0)
        if not first.startswith(b"init "):
            raise _error(first)
        init = int(first.split()[1])
        with contextlib.suppress(BrokenPipeError):
            starting.write(b"!")  # it is our child now: orphans among our descendants are
        second = pipe.readline()
        _raise_failure(init, pipe.read() if second.startswith(b"main ") else second)
    return Started(init, int(second.split()[1]))


def _start_init(
    program: Program, mounts: list[MountPlan], *, reporter: int, go: int, unused: tuple[int, int]
) -> NoReturn:
    """Fork the init, say which process it is, and exit."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for descriptor in unused:
            os.close(descriptor)
        namespaces.unshare(namespaces.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            _be_init(program, mounts, reporter=reporter, go=go)
        os.write(reporter, b"init %d\n" % pid)
    except OSError as error:
        os.write(reporter, _failure(error))
    finally:
        os._exit(0)


def _be_init(program: Program, mounts: list[MountPlan], *, reporter: int, go: int) -> NoReturn:
    """Make the root, start the program, and stand by it to its end."""
    try:
        started = os.read(go, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        watch = select.poll()
        watch.register(go, select.POLLHUP)
        if not started or watch.poll(0):  # the supervisor died before it could matter to us
            os._exit(FAILED)
        os.setsid()
        os.umask(0o022)
        host = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        root.enter(mounts)
        os.makedirs(program.cwd, exist_ok=True)
        for ignored in RESET_SIGNALS:  # before there is a child: a SIGCHLD that waits would be forgotten
            signal.signal(ignored, signal.SIG_DFL)
        main = os.fork()
        if main == 0:
            os.write(reporter, b"main %s\n" % os.readlink(b"self", dir_fd=host))
            _become(program, reporter=reporter, parent=INIT)
        os.closerange(0, LAST_DESCRIPTOR)  # locks and pipes that are the supervisor's to hold
        with open("/proc/self/comm", "w", encoding="ascii") as name:
            name.write("init")
        while True:
            number = signal.sigwait(signal.valid_signals())
            if number != signal.SIGCHLD:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(main, number)
                continue
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == main:
                    os._exit(_exit_code(ended[1]))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(reporter, _failure(error))
    finally:
        os._exit(FAILED)


def _become(program: Program, *, reporter: int, parent: int) -> NoReturn:
    """Turn this freshly forked process into the program."""
    argv = program.argv
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it could matter to us
            os._exit(128 + signal.SIGKILL)
        if program.no_new_privileges:
            prctl(PR_SET_NO_NEW_PRIVS, 1)
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.umask(0o022)
        for stream, descriptor in enumerate(program.streams):
            os.dup2(descriptor, stream)
        if program.takes_terminal:
            import fcntl  # as rare as terminals are
            import termios

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(program.cwd)
        os.execvpe(argv[0], argv, program.env)
    except OSError as error:
        os.write(reporter, _failure(error, of=argv[0]))
    except ValueError as error:  # a zero byte within a word
        os.write(reporter, f"22 {error}: {argv[0]!r}".encode())
    finally:
        os._exit(FAILED)


def _exit_code(status: int) -> int:
    """Return the exit code for what waitpid gave: 128+n for death by signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _failure(error: OSError, *, of: str = "") -> bytes:
    return f"{error.errno or 0} {error.strerror}: {error.filename or of}".encode()


def _raise_failure(child: int, said: bytes) -> None:
    """Raise OSError, and wait for the child, if something was said."""
    if said:
        os.waitpid(child, 0)
        raise _error(said)


def _error(said: bytes) -> OSError:
    number, _, what = said.decode(errors="replace").partition(" ")
    return OSError(int(number), what) if number else OSError("it ended at once")


def try_isolation() -> None:
    """Start a program as spawn_isolated() does; exit with 0 if it ran. For a process that does nothing else."""
    adopt_orphans()
    try:
        namespaces.acquire()
        nothing = os.open(os.devnull, os.O_RDWR)
        program = Program(["true"], dict(os.environ), "/", (nothing, nothing, nothing))
        trial: MountPlan = {"source": "/etc", "target": "/.trial/etc", "read_only": True, "how": "bind"}
        started = spawn_isolated(program, [trial])
    except OSError as error:
        raise SystemExit(str(error.strerror)) from error
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(started.child, 0)[1]))
