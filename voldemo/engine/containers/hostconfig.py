"""HostConfig as inspect shows it: Docker's defaults below what the client sent."""

from __future__ import annotations

import copy
from typing import Any

SHM_SIZE = 64 << 20
LISTS_AND_ABSENT_TEXT = """
PortBindings VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt
BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices
DeviceCgroupRules DeviceRequests MemorySwappiness OomKillDisable PidsLimit Ulimits Binds
"""
LISTS_AND_ABSENT = LISTS_AND_ABSENT_TEXT.split()
NUMBERS_TEXT = """
OomScoreAdj CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime
MemoryReservation MemorySwap CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth
"""
NUMBERS = NUMBERS_TEXT.split()
TEXTS = "ContainerIDFile VolumeDriver Cgroup PidMode UTSMode UsernsMode Isolation CgroupParent CpusetCpus CpusetMems"
FLAGS = "AutoRemove Privileged PublishAllPorts ReadonlyRootfs"
MASKED_TEXT = """
/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list
/proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap
"""
MASKED = MASKED_TEXT.split()
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(LISTS_AND_ABSENT),
    **dict.fromkeys(NUMBERS, 0),
    **dict.fromkeys(TEXTS.split(), ""),
    **dict.fromkeys(FLAGS.split(), False),
    "ConsoleSize": [0, 0],
    "CgroupnsMode": "host",
    "IpcMode": "private",
    "NetworkMode": "bridge",
    "Runtime": "runc",
    "MaskedPaths": MASKED,
    "ReadonlyPaths": READ_ONLY,
}


def complete(sent: dict[str, Any]) -> dict[str, Any]:
    host = copy.deepcopy(DEFAULTS) | {key: value for key, value in sent.items() if value is not None}
    if host["NetworkMode"] in ("", "default"):
        host["NetworkMode"] = "bridge"
    for key in ("IpcMode", "CgroupnsMode", "Runtime"):
        host[key] = host[key] or DEFAULTS[key]
    host["ShmSize"] = host.get("ShmSize") or SHM_SIZE
    log = dict(host.get("LogConfig") or {})
    host["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    policy = dict(host.get("RestartPolicy") or {})
    name = policy.get("Name") or "no"
    host["RestartPolicy"] = {"Name": name, "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}
    if host["Memory"] and not host["MemorySwap"]:
        host["MemorySwap"] = 2 * host["Memory"]
    return host
