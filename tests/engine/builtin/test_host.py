from voldemo.engine.builtin.host import Host


def test_a_directory_that_is_a_link_is_followed(host):
    assert host.place("/bin/bash") == "/usr/bin/bash"


def test_a_link_itself_is_not(host):
    assert host.place("/bin/sh") == "/usr/bin/sh"


def test_a_chain_of_links_is_followed_to_the_file(host):
    assert host.follow("/bin/awk") == "/usr/bin/mawk"


def test_links_that_go_round_end(host, root):
    (root / "usr/bin/round").symlink_to("round")
    assert host.follow("/bin/round") == "/usr/bin/round"


def test_programs_are_found_where_a_shell_would(host):
    assert host.which("bash") == "/usr/bin/bash"
    assert host.which("nothing") is None


def test_the_system_has_a_name(host, tmp_path):
    assert host.system == "Test 1"
    assert Host(tmp_path).system == "Linux"


def test_what_is_not_there_reads_as_nothing(host):
    assert host.text("/no/such") == ""
    assert host.names("/no/such") == []
