"""System calls of x86-64 by name. What is in none of these lists does not exist for a container."""

from __future__ import annotations

import errno

# fmt: off
LET_THROUGH = {
    "read": 0, "write": 1, "close": 3, "poll": 7, "lseek": 8, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "pread64": 17, "pwrite64": 18, "readv": 19, "writev": 20, "pipe": 22, "select": 23,
    "sched_yield": 24, "msync": 26, "mincore": 27, "dup": 32, "dup2": 33, "pause": 34, "nanosleep": 35,
    "getitimer": 36, "alarm": 37, "setitimer": 38, "getpid": 39, "sendfile": 40, "accept": 43,
    "recvfrom": 45, "recvmsg": 47, "shutdown": 48, "listen": 50, "socketpair": 53, "fork": 57,
    "vfork": 58, "exit": 60, "wait4": 61, "flock": 73, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
    "getdents": 78, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sysinfo": 99, "times": 100,
    "setpgid": 109, "getppid": 110, "getpgrp": 111, "setsid": 112, "getpgid": 121, "getsid": 124,
    "rt_sigpending": 127, "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "personality": 135,
    "getpriority": 140, "sched_getparam": 143, "sched_getscheduler": 145, "sched_get_priority_max": 146,
    "sched_get_priority_min": 147, "sched_rr_get_interval": 148, "mlock": 149, "munlock": 150, "mlockall": 151,
    "munlockall": 152, "arch_prctl": 158, "setrlimit": 160, "sync": 162, "gettid": 186, "readahead": 187,
    "time": 201, "futex": 202, "sched_getaffinity": 204, "io_setup": 206, "io_destroy": 207, "io_getevents": 208,
    "io_submit": 209, "io_cancel": 210, "epoll_create": 213, "getdents64": 217, "set_tid_address": 218,
    "restart_syscall": 219, "fadvise64": 221, "timer_create": 222, "timer_settime": 223, "timer_gettime": 224,
    "timer_getoverrun": 225, "timer_delete": 226, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
    "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239,
    "waitid": 247, "ioprio_get": 252, "inotify_init": 253, "inotify_rm_watch": 255, "pselect6": 270, "ppoll": 271,
    "set_robust_list": 273, "splice": 275, "tee": 276, "sync_file_range": 277, "vmsplice": 278, "epoll_pwait": 281,
    "signalfd": 282, "timerfd_create": 283, "eventfd": 284, "fallocate": 285, "timerfd_settime": 286,
    "timerfd_gettime": 287, "accept4": 288, "signalfd4": 289, "eventfd2": 290, "epoll_create1": 291, "dup3": 292,
    "pipe2": 293, "inotify_init1": 294, "preadv": 295, "pwritev": 296, "recvmmsg": 299, "syncfs": 306, "getcpu": 309,
    "sched_getattr": 315, "getrandom": 318, "memfd_create": 319, "membarrier": 324, "mlock2": 325,
    "copy_file_range": 326, "preadv2": 327, "pwritev2": 328, "pkey_alloc": 330, "pkey_free": 331,
    "io_pgetevents": 333, "rseq": 334, "close_range": 436, "epoll_pwait2": 441,
    "memfd_secret": 447, "futex_waitv": 449, "set_mempolicy_home_node": 450, "cachestat": 451, "futex_wake": 454,
    "futex_wait": 455, "futex_requeue": 456,
}
BY_ARGUMENTS = {  # let through, stopped or refused by what is in their registers: see filter
    "mmap": 9, "mprotect": 10, "munmap": 11, "ioctl": 16, "mremap": 25, "madvise": 28, "shmat": 30, "sendto": 44,
    "setsockopt": 54, "getsockopt": 55, "socket": 41, "clone": 56, "fcntl": 72, "prctl": 157, "remap_file_pages": 216,
    "seccomp": 317, "pkey_mprotect": 329,
}
EMULATED = {
    "open": 2, "stat": 4, "fstat": 5, "lstat": 6, "access": 21, "shmget": 29, "shmctl": 31, "connect": 42,
    "sendmsg": 46, "bind": 49, "getsockname": 51, "getpeername": 52, "execve": 59, "kill": 62, "uname": 63,
    "semget": 64, "semop": 65, "semctl": 66, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
    "truncate": 76, "getcwd": 79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85,
    "link": 86, "unlink": 87, "symlink": 88, "readlink": 89, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93,
    "lchown": 94, "umask": 95, "getuid": 102, "getgid": 104, "setuid": 105, "setgid": 106, "geteuid": 107,
    "getegid": 108, "setreuid": 113, "setregid": 114, "getgroups": 115, "setgroups": 116, "setresuid": 117,
    "getresuid": 118, "setresgid": 119, "getresgid": 120, "setfsuid": 122, "setfsgid": 123, "capget": 125,
    "capset": 126, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133, "statfs": 137, "fstatfs": 138,
    "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "tkill": 200, "sched_setaffinity": 203,
    "semtimedop": 220, "tgkill": 234, "utimes": 235, "ioprio_set": 251, "inotify_add_watch": 254, "openat": 257,
    "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261, "newfstatat": 262, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "symlinkat": 266, "readlinkat": 267, "fchmodat": 268, "faccessat": 269,
    "shmdt": 67, "get_robust_list": 274, "utimensat": 280, "rt_tgsigqueueinfo": 297, "prlimit64": 302,
    "sendmmsg": 307, "sched_setattr": 314, "renameat2": 316, "statx": 332, "pidfd_send_signal": 424, "pidfd_open": 434,
    "faccessat2": 439, "fchmodat2": 452,
}
REFUSED = {
    errno.EPERM: {
        "ptrace": 101, "syslog": 103, "vhangup": 153, "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163,
        "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
        "delete_module": 176, "quotactl": 179, "clock_settime": 227, "kexec_load": 246, "migrate_pages": 256,
        "unshare": 272, "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "fanotify_mark": 301,
        "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321,
        "userfaultfd": 323, "pidfd_getfd": 438, "quotactl_fd": 443,
    },
    errno.EOPNOTSUPP: {
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "getxattr": 191, "lgetxattr": 192, "fgetxattr": 193,
        "listxattr": 194, "llistxattr": 195, "flistxattr": 196, "removexattr": 197, "lremovexattr": 198,
        "fremovexattr": 199, "name_to_handle_at": 303,
    },
}
# fmt: on
QUOTA = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "fallocate", "ftruncate", "sendfile", "splice")
QUOTA += ("copy_file_range",)
NUMBER = {**LET_THROUGH, **BY_ARGUMENTS, **EMULATED}
