"""What the local driver's options do, and when what is wrong with them is found."""

from engine.conformance.lab import refused, sh


def test_a_bind_volume_is_the_folder_it_names(lab):
    (lab.folder / "f").write_text("from the host")
    volume = lab.volume(driver_opts={"type": "none", "o": "bind", "device": str(lab.folder)})
    said = lab.says("cat /d/f; echo from inside > /d/g", volumes=[f"{volume.name}:/d"])
    assert said == "from the host"
    assert (lab.folder / "g").read_text() == "from inside\n"


def test_a_bind_volume_leaves_the_folder_when_it_goes(lab):
    (lab.folder / "f").touch()
    lab.volume(driver_opts={"type": "none", "o": "bind", "device": str(lab.folder)}).remove()
    assert (lab.folder / "f").exists()


def test_a_bind_volume_of_a_missing_folder_fails_when_it_is_mounted(lab):
    missing = lab.folder / "missing"
    volume = lab.volume(driver_opts={"type": "none", "o": "bind", "device": str(missing)})
    container = lab.create(volumes=[f"{volume.name}:/d"])
    with refused(500, f"failed to mount local volume: mount {missing}:", "no such file or directory"):
        container.start()


def test_a_tmpfs_volume_has_the_size_it_was_given(lab):
    volume = lab.volume(driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    said = lab.says("dd if=/dev/zero of=/d/f bs=3000; wc -c < /d/f", volumes=[f"{volume.name}:/d"]).splitlines()
    assert said[0] == "dd: error writing '/d/f': No space left on device"
    assert said[-1] == "1048576"


def test_a_tmpfs_volume_forgets_when_its_last_container_stops(lab):
    volume = lab.volume(driver_opts={"type": "tmpfs", "device": "tmpfs"})
    first = lab.start(volumes=[f"{volume.name}:/d"])
    sh(first, "echo kept > /d/f")
    assert lab.says("cat /d/f", volumes=[f"{volume.name}:/d"]) == "kept"
    first.kill()
    first.wait()
    assert lab.says("ls -A /d", volumes=[f"{volume.name}:/d"]) == ""


def test_a_tmpfs_volume_belongs_to_whom_its_options_say(lab):
    volume = lab.volume(driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "uid=1000,gid=1000,mode=0750"})
    assert lab.says("stat -c '%u:%g %a' /d", volumes=[f"{volume.name}:/d"]) == "1000:1000 750"


def test_an_nfs_volume_fails_when_it_is_mounted(lab):
    options = {"type": "nfs", "o": "addr=127.0.0.1,soft", "device": ":/share"}
    volume = lab.volume(driver_opts=options)
    container = lab.create(volumes=[f"{volume.name}:/d"])
    with refused(500, f"error while mounting volume '{volume.attrs['Mountpoint']}': failed to mount local volume"):
        container.start()


def test_df_knows_only_volumes_that_are_folders_of_the_engine(lab):
    folder, _tmpfs = lab.volume(), lab.volume(driver_opts={"type": "tmpfs", "device": "tmpfs"})
    rows = {row["Name"]: row for row in lab.client.df()["Volumes"] if row["Labels"] == lab.labels}
    assert list(rows) == [folder.name]
    assert rows[folder.name]["UsageData"] == {"RefCount": 0, "Size": 0}
