"""A droplet that boots: the user data it was given, run as root of a machine made of namespaces.

Its own processes, mounts and /var, /run, /tmp; the system's programs read-only as they are here; the host's network. When
its power is taken nothing of it is left. `poweroff` and what needs the kernel of a real machine are programs that do nothing,
and the end of the script is the end of the machine.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import droplet_emulator
import tools

_FAKES = ("poweroff", "shutdown", "ip")
_MAKE = r"""
set -eu
root=$1; state=$2; shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
for name in bin sbin lib lib32 lib64; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$root/$name"
  elif [ -d "/$name" ]; then mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
done
for name in usr etc dev; do mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; done
mkdir "$root/proc" "$root/old" "$root/fakes"
mount -t tmpfs tmpfs "$root/dev/shm"
for name in var run tmp root opt; do mkdir -p "$state/$name" "$root/$name"; mount --bind "$state/$name" "$root/$name"; done
mount --bind "$state/fakes" "$root/fakes"
for path in "$@"; do mkdir -p "$root$path"; mount --rbind "$path" "$root$path"; done
mount -t proc proc "$root/proc"
cd "$root"
pivot_root . old
umount -l /old
exec env -i PATH=/fakes:"$WBX_PYTHON":/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh /root/user-data
"""


class Machine:
    """One that runs. `state`: what it wrote."""

    def __init__(self, state: pathlib.Path, user_data: str) -> None:
        self.state = state
        unshare = tools.need("unshare", "apt-get install util-linux")
        tools.need("openssl", "apt-get install openssl")
        for name in ("root", "fakes"):
            (state / name).mkdir(parents=True)
        (state / "root" / "user-data").write_text(user_data)
        for name in _FAKES:
            (state / "fakes" / name).write_text("#!/bin/sh\n")
            (state / "fakes" / name).chmod(0o755)
        root = state / "mounted"
        root.mkdir()
        own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        how = [*own, "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
        shown = [] if sys.base_prefix.startswith("/usr") else [sys.base_prefix]
        with (state / "console").open("wb") as console:
            self._process = subprocess.Popen(
                [unshare, *how, "sh", "-c", _MAKE, "sh", root, state, *shown],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "WBX_PYTHON": f"{sys.base_prefix}/bin"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process that everything on it descends from."""
        return self._process.pid

    @property
    def console(self) -> str:
        """What it said."""
        return (self.state / "console").read_text(errors="replace")

    def alive(self) -> bool:
        """Whether its power is on."""
        return self._process.poll() is None

    def end(self) -> None:
        """The first process of its namespace dies, and with it every other."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Yard:
    """Boots droplets; `close` takes away what they left."""

    def __init__(self, folder: pathlib.Path | None = None) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-yard-", dir=folder))
        self.machines: list[Machine] = []

    def boot(self, droplet: droplet_emulator.Droplet) -> Machine:
        """See droplet_emulator.Emulator."""
        made = Machine(self.folder / str(droplet.id), str(droplet.body["user_data"]))
        self.machines.append(made)
        return made

    def close(self) -> None:
        """Nothing is left."""
        for each in self.machines:
            each.end()
        shutil.rmtree(self.folder, ignore_errors=True)
