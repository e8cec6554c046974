"""The two images that everything else here is tried on: one small (busybox), one like a real system (debian)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from voldemo.engine.builtin import base
from voldemo.engine.builtin.dpkg import Package, Packages
from voldemo.engine.builtin.elf import Libraries
from voldemo.engine.builtin.host import Host
from voldemo.engine.builtin.plan import Plan
from voldemo.engine.errors import NotFound

LIBRARIES = ["base-files", "debianutils", "libc-bin", "ncurses-base"]
SHELL = ["bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "hostname", "mawk", "sed", "tar"]
TOOLS = ["dpkg", "login", "mount", "passwd", "perl-base", "procps", "sysvinit-utils", "util-linux", "xz-utils"]
# Wanted by others for their set-up only, which does not run here.
LEFT_OUT = ["adduser", "base-passwd", "cdebconf", "debconf", "init-system-helpers", "perl-modules-5.36", "ucf"]

# For a host without dpkg, and in place of busybox.
BASIC_PROGRAMS = """
sh [ arch base64 basename cat chgrp chmod chown cksum comm cp cut date dd df dirname du echo env expand expr factor
false fold groups head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup
nproc od paste pathchk pr printenv printf pwd readlink realpath rm rmdir seq sha1sum sha256sum sha512sum shuf sleep
sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq
unlink uptime users wc who whoami yes awk cmp diff egrep fgrep find grep gunzip gzip hostname sed tar xargs zcat
free kill pgrep pkill ps top watch mount umount mountpoint flock setpriv su which
"""
MORE_PROGRAMS = """
bash dash mawk gawk perl dmesg fallocate getopt hexdump ipcs logger losetup lsblk more nsenter renice rev script
setsid taskset unshare chroot xz unxz xzcat pidof pmap sysctl vmstat getent getconf iconv ldd locale tput clear
"""


def busybox(plan: Plan, host: Host) -> str:
    """What it was made from."""
    program = host.which("busybox")
    if program is None:
        return without_busybox(plan, host)
    applets = applets_of(host, program)
    version = version_of(host, program)
    plan.layer(f"ADD busybox {version} and its {len(applets)} names in /bin # from {host.system}")
    base.directories(plan)
    libraries = [*Libraries(host).of(program)]
    if libraries:  # not a static one
        base.links_into_usr(plan, host)
        plan.copy(path for library in libraries for path in chain_of_links(host, library))
    folder = host_place(plan, "/bin")
    plan.program(program, f"{folder}/busybox")
    for applet in applets:
        plan.hard_link(f"{folder}/{applet}", f"{folder}/busybox")
    if folder != "/usr/bin":
        plan.link("/usr/bin/env", "/bin/env")  # where the first line of scripts looks
    plan.layer("COPY passwd group os-release /etc/")
    base.settings(plan, host, "/bin/sh")
    return f"busybox {version}"


def host_place(plan: Plan, path: str) -> str:
    item = plan.layers[-1].items.get(path)
    return f"/{item.target}" if item and item.target else path


def applets_of(host: Host, program: str) -> list[str]:
    said = subprocess.run([host.real(program), "--list"], capture_output=True, text=True, check=False, timeout=10)
    return sorted({name for name in said.stdout.split() if "/" not in name} - {"busybox"})


def version_of(host: Host, program: str) -> str:
    said = subprocess.run([host.real(program), "--help"], capture_output=True, text=True, check=False, timeout=10)
    words = (said.stdout or said.stderr).split()
    return words[1].removeprefix("v") if len(words) > 1 else "of unknown version"


def without_busybox(plan: Plan, host: Host) -> str:
    programs = programs_of(host, BASIC_PROGRAMS.split())
    plan.layer(f"ADD {len(programs)} programs in place of busybox's / # from {host.system}")
    base.directories(plan)
    base.links_into_usr(plan, host)
    plan.copy(with_libraries(host, programs))
    plan.layer("COPY passwd group os-release /etc/")
    base.settings(plan, host, "/bin/sh")
    return f"programs of {host.system}, there being no busybox"


def programs_of(host: Host, names: Iterable[str]) -> list[str]:
    found = [path for name in names if (path := host.which(name))]
    if host.which("sh") is None:
        raise NotFound("No image can be made from this machine's own programs: it has no /bin/sh.")
    return found


def with_libraries(host: Host, programs: Iterable[str]) -> Iterable[str]:
    """Each program, what its links lead to, and the libraries of it all."""
    libraries = Libraries(host)
    for program in programs:
        yield from chain_of_links(host, program)
        for library in libraries.of(program):
            yield from chain_of_links(host, library)


def chain_of_links(host: Host, path: str) -> Iterable[str]:
    yield path
    end = host.follow(path)
    if end != host.place(path):
        yield end


def debian(plan: Plan, host: Host, packages: Packages) -> str:
    if not packages.get("bash"):
        return without_dpkg(plan, host)
    done: set[str] = set()
    for number, names in enumerate((LIBRARIES, SHELL, TOOLS)):
        chosen = [each for each in packages.closure(names, LEFT_OUT) if each.name not in done]
        done |= {each.name for each in chosen}
        add_packages(plan, host, packages, chosen, names)
        if number == 0:
            base.settings(plan, host, "/bin/bash")
    return f"{len(done)} packages of {host.system}"


def add_packages(plan: Plan, host: Host, packages: Packages, chosen: list[Package], named: Iterable[str]) -> None:
    said = ", ".join(f"{each.name} {each.upstream}" for each in chosen if each.name in set(named))
    first = not plan.layers
    plan.layer(f"ADD {said} / # from the packages of {host.system}")
    if first:
        base.directories(plan)
        base.links_into_usr(plan, host)
    for package in chosen:
        plan.copy(packages.files(package))
    plan.copy(chosen_alternatives(plan, host))


def chosen_alternatives(plan: Plan, host: Host) -> Iterable[str]:
    """awk, which, pager …: links that no package owns, to programs that are here."""
    for folder in ("/usr/bin", "/usr/sbin"):
        for name in host.names(folder):
            path = f"{folder}/{name}"
            target = host.link_target(path)
            if target.startswith("/etc/alternatives/") and plan.has(host.follow(path)):
                yield path


def without_dpkg(plan: Plan, host: Host) -> str:
    first = programs_of(host, ["sh", "bash"])
    rest = programs_of(host, (BASIC_PROGRAMS + MORE_PROGRAMS).split())
    plan.layer(f"ADD bash and the C library / # from {host.system}")
    base.directories(plan)
    base.links_into_usr(plan, host)
    plan.copy(with_libraries(host, first))
    plan.copy(["/usr/lib/locale/C.utf8/LC_CTYPE", "/usr/share/terminfo/x/xterm", "/usr/share/terminfo/l/linux"])
    base.settings(plan, host, "/bin/bash")
    plan.layer(f"ADD {len(rest)} programs / # from {host.system}")
    plan.copy(with_libraries(host, rest))
    return f"programs of {host.system}"
