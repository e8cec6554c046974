"""What every built-in image starts with: the directories, the accounts, the host's own name for its system."""

from __future__ import annotations

from voldemo.engine.builtin.host import Host
from voldemo.engine.builtin.plan import Plan

DIRECTORIES = {
    "/dev": 0o755,
    "/etc": 0o755,
    "/home": 0o755,
    "/mnt": 0o755,
    "/proc": 0o755,
    "/root": 0o700,
    "/run": 0o755,
    "/sys": 0o755,
    "/tmp": 0o1777,
    "/usr": 0o755,
    "/usr/bin": 0o755,
    "/usr/local/bin": 0o755,
    "/var": 0o755,
    "/var/lib": 0o755,
    "/var/log": 0o755,
    "/var/tmp": 0o1777,
}
LINKS_INTO_USR = ("/bin", "/sbin", "/lib", "/lib64")

# Debian's fixed numbers, so that owners of files have names.
ACCOUNTS = """\
root:x:0:0:root:/root:{shell}
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
proxy:x:13:13:proxy:/bin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUPS = (
    "root:0 daemon:1 bin:2 sys:3 adm:4 tty:5 disk:6 mail:8 proxy:13 kmem:15 www-data:33 backup:34 shadow:42 utmp:43 "
    "staff:50 users:100 nogroup:65534"
)
NAME_SERVICES = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"


def accounts(shell: str, extra: str = "") -> bytes:
    return (ACCOUNTS.format(shell=shell) + extra).encode()


def groups(extra: str = "") -> bytes:
    lines = (f"{name}:x:{number}:\n" for name, _, number in (each.partition(":") for each in GROUPS.split()))
    return ("".join(lines) + extra).encode()


def directories(plan: Plan) -> None:
    for path, mode in DIRECTORIES.items():
        plan.directory(path, mode)
    plan.link("/var/run", "/run")


def links_into_usr(plan: Plan, host: Host) -> None:
    """As on the host: whether its programs are in /bin or in /usr/bin."""
    for path in LINKS_INTO_USR:
        place = host.follow(path)
        found = host.lstat(place)
        if found is None:
            continue
        if place != path:
            plan.link(path, place.removeprefix("/"))
            plan.directory(place)
        else:
            plan.directory(path)


def settings(plan: Plan, host: Host, shell: str) -> None:
    plan.file("/etc/passwd", accounts(shell))
    plan.file("/etc/group", groups())
    plan.file("/etc/nsswitch.conf", NAME_SERVICES.encode())
    plan.file("/etc/shells", f"/bin/sh\n{shell}\n".encode())
    release = host.text(host.follow("/etc/os-release"))
    plan.file("/etc/os-release", (release or "NAME=Linux\nID=linux\n").encode())
