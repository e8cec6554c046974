"""Root-filesystem tars, one per image layer, straight from Debian's packages.

apt chooses and downloads the packages with a state of its own; their files go from one tar into the other.
No chroot, no maintainer script and no library of the host takes part.
"""

import io
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

MTIME = 1_700_000_000  # one time for every file, so that equal packages give equal layers

# Documentation, translations and the parts of PostgreSQL that only its JIT compiler uses: most of the size.
UNWANTED = re.compile(
    r"usr/share/(bash-completion|bug|doc|doc-base|info|lintian|locale|man|menu|zoneinfo/right)/."
    r"|usr/lib/postgresql/\d+/lib/(bitcode/|llvmjit)"
    r"|etc/(cron|init\.d|logrotate)[^/]*/."
)

# Debian keeps all programs and libraries below /usr, with links at the old places.
LINKS_INTO_USR = ("bin", "sbin", "lib", "lib64")

DIRECTORIES = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "var": 0o755,
    "var/tmp": 0o1777,
}

# What the maintainer scripts, which do not run here, would have put in place.
COPIES = {
    "usr/share/base-passwd/passwd.master": "etc/passwd",
    "usr/share/base-passwd/group.master": "etc/group",
    "usr/share/base-files/nsswitch.conf": "etc/nsswitch.conf",
}
LINKS = {"usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils", "var/run": "/run"}


class PrivateApt:
    """apt with its own sources, lists, cache and package status; the host's apt state stays as it is."""

    def __init__(self, directory: Path, suite: str):
        self.directory = directory
        self.configuration = directory / "apt.conf"
        self.status = directory / "status"
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True)
        self.status.touch()
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (directory / "sources.list").write_text(f"deb [signed-by={keyring}] {host_archive()} {suite} main\n")
        self.configuration.write_text(
            "#clear APT::Update;\n"
            f'Dir::Etc::SourceList "{directory}/sources.list";\n'
            'Dir::Etc::SourceParts "/dev/null";\n'
            'Dir::Etc::Preferences "/dev/null";\n'
            'Dir::Etc::PreferencesParts "/dev/null";\n'
            f'Dir::State "{directory}";\n'
            f'Dir::State::Lists "{directory}/lists";\n'
            f'Dir::State::Status "{self.status}";\n'
            f'Dir::Cache "{directory}/cache";\n'
            'Dir::Cache::PkgCache "pkgcache.bin";\n'
            'Acquire::Languages "none";\n'
            'APT::Install-Recommends "false";\n'
            'APT::Sandbox::User "root";\n'
        )
        self.get("update")

    def get(self, *arguments: str) -> str:
        return self._run("apt-get", "-qq", *arguments)

    def download(self, packages: list[str], into: Path) -> list[Path]:
        """The packages and all they depend on, without what the status already lists."""
        (into / "partial").mkdir(parents=True)
        self.get("install", "--yes", "--download-only", "-o", f"Dir::Cache::Archives={into}", *packages)
        return sorted(into.glob("*.deb"))

    def pretend_installed(self, *packages: str) -> None:
        """Satisfies dependencies on these packages, so that neither they nor what they need is chosen."""
        for package in packages:
            self._add_to_status(f"Package: {package}\nArchitecture: all\nMulti-Arch: foreign\nVersion: 99:1")

    def note_installed(self, debs: list[Path]) -> None:
        fields = ("Package", "Architecture", "Multi-Arch", "Version", "Provides")
        for deb in debs:
            self._add_to_status(self._run("dpkg-deb", "--field", str(deb), *fields).strip())

    def _add_to_status(self, stanza: str) -> None:
        with self.status.open("a") as status:
            status.write(f"{stanza}\nStatus: install ok installed\nMaintainer: -\nDescription: -\n\n")

    def _run(self, program: str, *arguments: str) -> str:
        configured = ("--config-file", str(self.configuration)) if program.startswith("apt") else ()
        return run(program, *configured, *arguments)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def host_archive() -> str:
    """The Debian archive that this host already uses. apt knows the labels only after an update."""
    query = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian")
    archives = run(*query).split()
    if not archives:
        run("apt-get", "-qq", "update")
        archives = run(*query).split()
    if not archives:
        raise SystemExit("apt on this host knows no Debian archive.")
    return archives[0]


@dataclass
class LayerTar:
    """Copies the members of packages into one tar, leaving out what the layers below already have."""

    path: Path
    present: set[str]
    pending: dict[str, bytes] = field(default_factory=dict)

    def __enter__(self):
        self.tar = tarfile.open(self.path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 (closed below)
        return self

    def __exit__(self, *_):
        self.tar.close()

    def add(self, name: str, kind: bytes, mode: int = 0o755, target: str = "", content: bytes = b"") -> None:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.linkname, member.size = kind, mode, target, len(content)
        self._write(member, content)

    def add_package(self, deb: Path) -> None:
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacker,
            tarfile.open(fileobj=unpacker.stdout, mode="r|") as package,
        ):
            for member in package:
                member.name = below_usr(member.name)
                if member.islnk():
                    member.linkname = below_usr(member.linkname)
                if member.name and not UNWANTED.match(member.name):
                    source = package.extractfile(member) if member.isreg() else None
                    self._write(member, source.read() if source else b"")

    def _write(self, member: tarfile.TarInfo, content: bytes) -> None:
        if member.name in self.present:
            return
        self.present.add(member.name)
        member.mtime, member.uname, member.gname = MTIME, "", ""
        self.tar.addfile(member, io.BytesIO(content))
        if member.name in COPIES:
            self.add(COPIES[member.name], tarfile.REGTYPE, 0o644, content=content)


def below_usr(name: str) -> str:
    name = name.removeprefix("./").strip("/")
    return f"usr/{name}" if name.split("/")[0] in LINKS_INTO_USR else name


def busybox_layer(apt: PrivateApt, path: Path) -> None:
    """The one static program, and a link to it for everything it can be."""
    work = path.with_suffix(".work")
    (deb,) = apt.download(["busybox-static"], into=work / "debs")
    run("dpkg-deb", "--extract", str(deb), str(work / "root"))
    program = work / "root/usr/bin/busybox"
    with LayerTar(path, set()) as layer:
        for name, mode in {**DIRECTORIES, "bin": 0o755, "usr": 0o755, "usr/bin": 0o755}.items():
            layer.add(name, tarfile.DIRTYPE, mode)
        layer.add("bin/busybox", tarfile.REGTYPE, content=program.read_bytes())
        for applet in run(str(program), "--list").split():
            layer.add(f"bin/{applet}", tarfile.LNKTYPE, target="bin/busybox")
        layer.add("usr/bin/env", tarfile.SYMTYPE, target="/bin/env")  # where the first line of scripts looks
    shutil.rmtree(work)


class BaseLayer:
    """The lowest layer; remembers its files and packages, so that others can be put on top of it."""

    def __init__(self, apt: PrivateApt, path: Path, packages: list[str], pretend: list[str]):
        self.apt = apt
        self.present: set[str] = set(LINKS_INTO_USR)
        apt.pretend_installed(*pretend)
        debs = apt.download(packages, into=path.with_suffix(".debs"))
        with LayerTar(path, self.present) as layer:
            self.present.clear()
            for name, mode in DIRECTORIES.items():
                layer.add(name, tarfile.DIRTYPE, mode)
            for name in LINKS_INTO_USR:
                layer.add(name, tarfile.SYMTYPE, target=f"usr/{name}")
            self.present.update(LINKS)  # a package may have a directory in the place of one
            for deb in debs:
                layer.add_package(deb)
            self.present.difference_update(LINKS)
            for name, target in LINKS.items():
                layer.add(name, tarfile.SYMTYPE, target=target)
        apt.note_installed(debs)
        shutil.rmtree(path.with_suffix(".debs"))

    def layer_on_top(self, path: Path, packages: list[str]) -> None:
        debs = self.apt.download(packages, into=path.with_suffix(".debs"))
        with LayerTar(path, set(self.present)) as layer:
            for deb in debs:
                layer.add_package(deb)
        shutil.rmtree(path.with_suffix(".debs"))
