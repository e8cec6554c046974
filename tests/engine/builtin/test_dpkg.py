from voldemo.engine.builtin.dpkg import Packages, needs


def test_only_what_is_installed_counts(host):
    assert Packages(host).get("gone") is None


def test_closure_takes_the_alternative_that_is_there(host):
    names = [package.name for package in Packages(host).closure(["bash"])]
    assert names == ["bash", "fallback", "libc6"]


def test_closure_leaves_out_what_it_is_told_to(host):
    names = [package.name for package in Packages(host).closure(["bash"], without=["fallback"])]
    assert names == ["bash", "libc6"]


def test_files_of_a_package(host):
    packages = Packages(host)
    assert packages.files(packages.get("mawk")) == ["/usr/bin/mawk"]


def test_versions_without_the_distribution_s_part(host):
    assert Packages(host).get("bash").upstream == "5.2.15"
    assert Packages(host).get("fallback").upstream == "2.0"


def test_needs():
    assert needs("a (>= 1:2) | b, c:any,") == (("a", "b"), ("c",))


def test_a_host_without_dpkg_has_no_packages(tmp_path):
    from voldemo.engine.builtin.host import Host

    assert not Packages(Host(tmp_path))
