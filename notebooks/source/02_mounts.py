# %% [markdown] lang="en"
# # 2. Mounts: what is put over a path
#
# ```bash
# docker run -v myvolume:/app/data myapp            # volume
# docker run -v /host/path:/container/path myapp    # bind mount
# docker run --tmpfs /app/temp myapp                # tmpfs
# ```
#
# These three lines are in every answer. The questions that follow are about what the lines do *not* say: what if the path in
# the image is not empty? What if the host path does not exist? Who may write there? When a new image shows old files, why?
#
# In this chapter (about 40 minutes) you will
#
# - see who wins when something is mounted over files of the image, and when Docker copies them,
# - reproduce "I deployed a new image and nothing changed",
# - compare `-v` and `--mount` where they really differ,
# - make a container that can write only where it should, and fix a "Permission denied",
# - fill a tmpfs.

# %% [markdown] lang="ko" of="687a2d30"
# # 2. 마운트: 경로 위에 얹는 것
#
# ```bash
# docker run -v myvolume:/app/data myapp            # 볼륨
# docker run -v /host/path:/container/path myapp    # 바인드 마운트
# docker run --tmpfs /app/temp myapp                # tmpfs
# ```
#
# 어느 답변에나 나오는 세 줄입니다. 이어지는 질문은 이 세 줄이 *말하지 않는* 것을 묻습니다. 이미지의 그 경로가 비어 있지 않다면? 호스트
# 경로가 없다면? 누가 거기에 쓸 수 있는가? 새 이미지인데 왜 옛 파일이 보이는가?
#
# 이 장에서는 (약 40분)
#
# - 이미지의 파일 위에 무언가를 마운트하면 누가 이기는지, 언제 Docker가 파일을 복사하는지 보고,
# - "새 이미지를 배포했는데 아무것도 안 바뀌었어요"를 재현하고,
# - `-v`와 `--mount`가 실제로 다른 지점을 비교하고,
# - 써야 할 곳에만 쓸 수 있는 컨테이너를 만들고, "Permission denied"를 고치고,
# - tmpfs를 가득 채워 봅니다.

# %%
from voldemo import charts, checks, connect, exercises, predict
from voldemo.experiments import mounts

client = connect()

# %% [markdown] lang="en"
# ## 2.1 Who wins over a path that is not empty?
#
# The image has a file, `/data/image`. We mount over `/data`: a volume, a volume with `nocopy`, a host directory; each time
# once empty and once filled with a file of its own. **In which containers can you see the image's file?**

# %% [markdown] lang="ko" of="7ce15141"
# ## 2.1 비어 있지 않은 경로에서는 누가 이길까?
#
# 이미지에 `/data/image` 파일이 있습니다. `/data` 위에 볼륨, `nocopy` 볼륨, 호스트 디렉터리를 마운트하고, 각각 비어 있는 경우와 자체 파일이
# 있는 경우로 나눕니다. **이미지의 파일이 보이는 컨테이너는 어느 것일까요?**

# %%
over_guess = predict("sees_image_file", mount=("volume", "nocopy", "bind"), source=("empty", "filled"))
over_guess

# %%
over = mounts.over(client)
over

# %%
charts.grid(over_guess.against(over));

# %% [markdown] lang="en"
# What is mounted always wins; the image's files below it are hidden, not deleted. One row looks like an exception: an *empty
# volume*. It is not: the column `copied` says that the engine first copied the image's files *into the volume*, together
# with their owners and modes. This happens only for volumes, only while they are empty, and not with `nocopy`. A bind mount
# is never filled: an empty host directory over `/app` is an empty `/app`. A tmpfs (last row) is always empty at first.

# %% [markdown] lang="ko" of="ee2bd527"
# 이기는 쪽은 언제나 마운트된 것입니다. 그 아래 이미지의 파일은 지워지는 것이 아니라 가려집니다. 한 행이 예외처럼 보입니다. *빈 볼륨*입니다.
# 예외가 아닙니다. `copied` 열이 말하듯 엔진이 이미지의 파일을 소유자와 권한까지 *볼륨 안으로* 먼저 복사했습니다. 이 복사는 볼륨일
# 때만, 비어 있을 때만 일어나고 `nocopy`를 주면 일어나지 않습니다. 바인드 마운트는 절대 채워지지 않으므로, 빈 호스트 디렉터리를 `/app`에
# 마운트하면 `/app`은 텅 빕니다. tmpfs(마지막 행)는 언제나 빈 채로 시작합니다.

# %% [markdown] lang="en"
# ## 2.2 A new image, and the old files
#
# `app:v1` has a file `/app/version` that says v1. It runs with an empty volume at `/app`. Then `v2` is built and deployed,
# with the same volume, with a new one, and with none. **Which version does each see?**

# %% [markdown] lang="ko" of="149ebfbd"
# ## 2.2 새 이미지, 옛 파일
#
# `app:v1`에는 v1이라고 적힌 `/app/version` 파일이 있고, `/app`에 빈 볼륨을 붙여 실행합니다. 그런 다음 `v2`를 빌드해 같은 볼륨, 새 볼륨,
# 볼륨 없음으로 각각 배포합니다. **각각 어느 버전이 보일까요?**

# %%
rebuilt_guess = predict("sees", choices=("v1", "v2"), mount=("same volume", "new volume", "no mount"))
rebuilt_guess

# %%
rebuilt = mounts.rebuilt(client)
rebuilt

# %%
charts.grid(rebuilt_guess.against(rebuilt));

# %% [markdown] lang="en"
# The volume was filled once, by v1; it is not empty any more, so v2's files stay hidden below it. This is the mechanism
# behind "the container still serves the old assets" and behind configuration files that refuse to change. The cure is to
# keep *code* out of volumes: mount only the directory that holds data.

# %% [markdown] lang="ko" of="d09f0ef2"
# 볼륨은 v1 때 한 번 채워졌고 이제 비어 있지 않으므로 v2의 파일은 그 아래에 가려집니다. "컨테이너가 아직도 옛 정적 파일을 내보내요"나, 아무리
# 고쳐도 바뀌지 않는 설정 파일의 원리가 이것입니다. *코드*를 볼륨에 두지 않는 것이 해결책입니다. 데이터가 있는 디렉터리에만 마운트하세요.

# %% [markdown] lang="en"
# ## 2.3 A host path that does not exist
#
# `-v` and `--mount` are often called two spellings of the same thing. Here is a bind mount whose host path is missing: by
# `-v`, by `--mount`, and by `--mount` with `CreateMountpoint`, an option of the API. **Which of these start?**

# %% [markdown] lang="ko" of="7a5c838d"
# ## 2.3 존재하지 않는 호스트 경로
#
# `-v`와 `--mount`는 흔히 같은 것을 쓰는 두 가지 표기라고 합니다. 호스트 경로가 없는 바인드 마운트를 `-v`로, `--mount`로, 그리고 API
# 옵션 `CreateMountpoint`를 더한 `--mount`로 시도합니다. **시작되는 것은 어느 것일까요?**

# %%
missing_guess = predict("started", flag=("-v", "--mount", "--mount, CreateMountpoint"))
missing_guess

# %%
missing = mounts.missing(client)
missing

# %%
charts.grid(missing_guess.against(missing));

# %% [markdown] lang="en"
# `-v` makes the missing path, as a *directory* owned by root. So `-v ./app.conf:/etc/app.conf` with a typo gives you a
# directory where the program expects a file (or no container at all, if the image has a file there), and a root-owned one
# in your project (yours, where the engine runs without root). `--mount` refuses: the typo is an error you can read.
# `CreateMountpoint` asks for `-v`'s behaviour explicitly; it came with API 1.42, and an older engine answers like the middle
# row. The command line has had it since Docker 29.3, as `--mount …,bind-create-src`. Docker Desktop, where host paths pass
# through a virtual machine, may create the path in all three cases: trust your own table.

# %% [markdown] lang="ko" of="59f9e24a"
# `-v`는 없는 경로를 root 소유의 *디렉터리*로 만듭니다. 그래서 `-v ./app.conf:/etc/app.conf`에 오타가 있으면 프로그램이 파일을 기대하는
# 자리에 디렉터리가 생기고(이미지의 그 자리에 파일이 있으면 컨테이너가 아예 시작되지 않고), 프로젝트 안에는 root 소유 디렉터리가 남습니다(root
# 없이 도는 엔진이라면 본인 소유입니다).
# `--mount`는 거부하므로 오타가 읽을 수 있는 오류가 됩니다. `CreateMountpoint`는 `-v`와 같은 동작을 명시적으로 요청하는 옵션입니다. API
# 1.42에서 생겼고, 더 오래된 엔진은 가운데 행처럼 답합니다. 명령줄에서는 Docker 29.3부터 `--mount …,bind-create-src`로 쓸 수 있습니다. 호스트
# 경로가 가상 머신을 거치는 Docker Desktop에서는 세 경우 모두 경로를 만들 수도 있습니다. 자기 표를 믿으세요.

# %% [markdown] lang="en"
# ## 2.4 Read-only, and where one may still write
#
# A hardened container: `--read-only` for the root, a volume at `/data` mounted `:ro`, another, writable volume *inside* it at
# `/data/cache`, and a tmpfs at `/tmp`. **Where can its process write?**

# %% [markdown] lang="ko" of="01529739"
# ## 2.4 읽기 전용, 그래도 쓸 수 있는 곳
#
# 단단하게 잠근 컨테이너입니다. 루트는 `--read-only`, `/data`에는 `:ro`로 마운트한 볼륨, 그 *안쪽* `/data/cache`에는 쓰기 가능한 다른
# 볼륨, `/tmp`에는 tmpfs가 있습니다. **프로세스는 어디에 쓸 수 있을까요?**

# %%
readonly_guess = predict("wrote", path=("/etc", "/data", "/data/cache", "/tmp"))
readonly_guess

# %%
readonly = mounts.readonly(client)
readonly

# %%
charts.grid(readonly_guess.against(readonly));

# %% [markdown] lang="en"
# `:ro` belongs to *one mount*, not to a path and all below it: a mount inside is a mount of its own. (Only mounts that a
# bind mount brings along from the host become read-only with it, since Engine 25 on Linux 5.12 or newer.) Nor does `:ro`
# protect the volume; another container may mount the same one read-write. One catch when you build this yourself:

# %% [markdown] lang="ko" of="936074af"
# `:ro`는 *마운트 하나*의 속성이지 경로와 그 아래 전체의 속성이 아닙니다. 안쪽의 마운트는 별개의 마운트입니다. (다만 바인드 마운트가 호스트에서
# 함께 가져오는 하위 마운트는 Engine 25부터, Linux 5.12 이상에서 같이 읽기 전용이 됩니다.) 또 `:ro`가 볼륨을 보호하는 것도 아닙니다. 다른
# 컨테이너가 같은 볼륨을 쓰기 가능하게 마운트할 수 있습니다. 직접 만들 때 걸리는 것이 하나 있습니다.

# %%
mounts.nested(client)

# %% [markdown] lang="en"
# The inner mount needs a directory to sit on. Without it the runtime tries to make one, on a volume it has just mounted
# read-only. The message comes from the runtime (`mkdirat …`), not from Docker, so searching for it is confusing.

# %% [markdown] lang="ko" of="238824d8"
# 안쪽 마운트를 얹을 디렉터리가 필요합니다. 없으면 런타임이 만들려고 하는데, 그곳은 방금 읽기 전용으로 마운트한 볼륨입니다. 이 메시지는
# Docker가 아니라 런타임이 내는 것(`mkdirat …`)이라 검색하면 헷갈립니다.

# %% [markdown] lang="en"
# ## 2.5 Permission denied
#
# A process runs as uid 54321, which no user has. It tries to write to `/data`. **Where does it succeed?**
#
# - `volume`: a new volume, over a path the image does not have
# - `volume, image's folder is theirs`: a new volume, over a directory of the image that belongs to 54321
# - `volume, chowned before`: a root container ran `chown` on the volume first
# - `bind`: a directory of the host that belongs to you
# - `tmpfs`

# %% [markdown] lang="ko" of="575d17c2"
# ## 2.5 Permission denied
#
# 프로세스가 어느 사용자의 것도 아닌 uid 54321로 실행되고, `/data`에 쓰려고 합니다. **어디에서 성공할까요?**
#
# - `volume`: 이미지에 없는 경로에 붙인 새 볼륨
# - `volume, image's folder is theirs`: 이미지에서 54321이 소유한 디렉터리에 붙인 새 볼륨
# - `volume, chowned before`: root 컨테이너가 먼저 볼륨에 `chown`을 실행한 경우
# - `bind`: 여러분이 소유한 호스트 디렉터리
# - `tmpfs`

# %%
owners = ("volume", "volume, image's folder is theirs", "volume, chowned before", "bind", "tmpfs")
ownership_guess = predict("wrote", mount=owners)
ownership_guess

# %%
ownership = mounts.ownership(client)
ownership

# %%
charts.grid(ownership_guess.against(ownership));

# %% [markdown] lang="en"
# The kernel compares numbers (on the embedded engine, the engine does). User *names* live in `/etc/passwd`, one inside the
# container and another outside. A fresh volume belongs to root, unless it is filled from the image and takes over owner and
# mode of the directory there: this is why images that run as a user other than root do `mkdir` and `chown` before `USER`. A
# bind mount shows the host's owner, whatever the image says. The tmpfs came with mode 1777: everybody may write. And
# `chmod 777` is not the fix: it opens the directory to everybody who ever mounts it.

# %% [markdown] lang="ko" of="7e807279"
# 커널은 숫자를 비교합니다(내장 엔진에서는 엔진이 비교합니다). 사용자 *이름*은 `/etc/passwd`에 있고, 컨테이너 안의 것과 밖의 것이 서로 다릅니다. 새 볼륨은 root 소유입니다. 다만
# 이미지에서 채워질 때는 그 디렉터리의 소유자와 권한을 물려받습니다. 일반 사용자로 실행되는 이미지가 `USER` 앞에서 `mkdir`와 `chown`을 하는
# 이유입니다. 바인드 마운트는 이미지가 무엇이라 하든 호스트의 소유자를 보여 줍니다. tmpfs는 누구나 쓸 수 있는 권한 1777로 마운트되었습니다.
# 그리고 `chmod 777`은 해결책이 아닙니다. 그 디렉터리를 마운트하는 모두에게 열어 주는 것입니다.

# %% [markdown] lang="en"
# ## 2.6 A tmpfs that is full
#
# A tmpfs of 1 MiB, and a process that writes half of it, all of it, and twice as much. **How many bytes arrive?**

# %% [markdown] lang="ko" of="8f88ff50"
# ## 2.6 가득 찬 tmpfs
#
# 1MiB짜리 tmpfs에 프로세스가 그 절반, 전부, 두 배를 씁니다. **몇 바이트가 들어갈까요?**

# %%
sizes = (524288, 1048576, 2097152)
full_guess = predict("written_bytes", choices=sizes, asked_bytes=sizes)
full_guess

# %%
full = mounts.full(client)
full

# %%
charts.bars(full, "asked_bytes", "written_bytes");

# %% [markdown] lang="en"
# What does not fit fails with ENOSPC, "No space left on device", although the disk is fine. Without a size a tmpfs may take
# half of the machine's memory, and it counts against the container's memory limit. "Never touches the disk" is nearly
# right: its pages can be swapped out. So a tmpfs is the place for scratch data and for secrets on a machine without swap,
# and the only one of the three mounts whose size you can limit on every file system. (The embedded engine imitates this
# one: a folder on the disk, with the size you gave it and the same error.)

# %% [markdown] lang="ko" of="468be1e6"
# 들어가지 못한 것은 ENOSPC, 즉 "No space left on device"로 실패합니다. 디스크는 멀쩡한데도 그렇습니다. 크기를 정하지 않은 tmpfs는 장비
# 메모리의 절반까지 쓸 수 있고, 컨테이너의 메모리 제한에 포함됩니다. "디스크에 절대 닿지 않는다"는 말은 거의 맞지만, 스왑으로는 나갈 수 있습니다.
# 그래서 tmpfs는 임시 데이터와, 스왑이 없는 장비에서라면 비밀 값을 둘 자리이고, 셋 가운데 어떤 파일 시스템에서든 크기를 제한할 수 있는 유일한
# 마운트입니다. (내장 엔진은 이것을 흉내만 냅니다. 디스크의 폴더이지만 정해 준 크기를 지키고 같은 오류를 냅니다.)

# %%
charts.grid(full_guess.against(full));

# %% [markdown] lang="en"
# ## 2.7 Exercise: write only where you should
#
# Start a container (label `$LABEL`, running) in which `/data` is a **volume that it can only read** and `/scratch` is a
# **tmpfs of at most 1 MiB**. `sleep 3600` keeps it running.

# %% [markdown] lang="ko" of="c8ca3162"
# ## 2.7 연습: 써야 할 곳에만 쓰기
#
# 컨테이너를 하나 시작하세요(레이블 `$LABEL`, 실행 중). `/data`는 **읽기만 되는 볼륨**, `/scratch`는 **1MiB 이하의 tmpfs**여야 합니다.
# `sleep 3600`이면 계속 실행됩니다.

# %% tags=["exercise"]
# !docker volume create --label $LABEL guarded-data
# !docker run --detach --label $LABEL --network none -v guarded-data:/data:ro --tmpfs /scratch:size=1m busybox:1.37 sleep 3600

# %%
checks.guarded(client)

# %% [markdown] lang="en"
# ## 2.8 Exercise: let uid 1001 write
#
# Make a volume (label `$LABEL`) into which a process with **uid 1001** can write, and **not everybody**: no `777`.

# %% [markdown] lang="ko" of="8a18f645"
# ## 2.8 연습: uid 1001이 쓸 수 있게
#
# **uid 1001**인 프로세스가 쓸 수 있는 볼륨을 만드세요(레이블 `$LABEL`). 단, **아무나 쓸 수 있어서는 안 됩니다**. `777`은 안 됩니다.

# %% tags=["exercise"]
# !docker volume create --label $LABEL for-1001
# !docker run --rm --network none -v for-1001:/data busybox:1.37 chown 1001:1001 /data

# %%
checks.writable_volume(client)

# %% [markdown] lang="en"
# ## 2.9 Say it
#
# **1. Volume, bind mount, tmpfs: what is the difference, and when do you take which?**
#
# <details><summary>What a good answer has</summary>
#
# - *Volume*: kept and named by the engine, filled from the image while empty, the same on every platform. Application data.
# - *Bind mount*: a path of this host, hides what is there, brings the host's owners and layout along. Source code in
#   development, one configuration file, sockets.
# - *tmpfs*: memory, gone with the process, can be limited. Scratch data, secrets.
# - Evidence: `over`, rows `volume` and `bind`, source `empty`.
#
# *They will go on with:* "Which is fastest?" On Linux both a volume and a bind mount are plain directories of the host; on
# Desktop a bind mount crosses the border of a virtual machine.
# </details>
#
# **2. You deployed a new image, and the container still shows the old files. Why?**
#
# <details><summary>What a good answer has</summary>
#
# - A volume is mounted over the path; it was filled by the first image and is not empty now, so nothing is copied (your
#   `rebuilt`, row `same volume`).
# - Fix: keep code out of the volume, or remove the volume once you are sure that it holds no data.
#
# *They will go on with:* "And with a bind mount?" Then you always see the host's files, and none of the image's.
# </details>
#
# **3. A container says "Permission denied" on a mounted directory. How do you go about it?**
#
# <details><summary>What a good answer has</summary>
#
# - Compare numbers: `id` inside, `stat -c '%u:%g %a'` on the mount (your `ownership`, columns `owner` and `mode`).
# - Volume: own the directory in the image before `USER`, or `chown` once as root. Bind: run with the host's uid.
# - If the numbers fit: `:ro`, SELinux labels, user namespaces.
#
# *They will go on with:* "Why not 777?" Because every other user of that directory could write too.
# </details>

# %% [markdown] lang="ko" of="145d6dd1"
# ## 2.9 말해 보기
#
# **1. 볼륨, 바인드 마운트, tmpfs는 무엇이 다르고 각각 언제 씁니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - *볼륨*: 엔진이 이름을 붙여 보관하고, 비어 있으면 이미지에서 채워지며, 어느 플랫폼에서나 똑같이 동작합니다. 애플리케이션 데이터에 씁니다.
# - *바인드 마운트*: 이 호스트의 경로이고, 그 자리에 있던 것을 가리며, 호스트의 소유자와 디렉터리 구조를 그대로 가져옵니다. 개발 중인 소스
#   코드, 설정 파일 하나, 소켓에 씁니다.
# - *tmpfs*: 메모리이고, 프로세스와 함께 사라지며, 크기를 제한할 수 있습니다. 임시 데이터와 비밀 값에 씁니다.
# - 근거: `over` 표에서 `source`가 `empty`인 `volume` 행과 `bind` 행.
#
# *이어지는 질문:* "어느 것이 가장 빠릅니까?" 리눅스에서는 볼륨도 바인드 마운트도 호스트의 평범한 디렉터리입니다. Desktop에서는 바인드
# 마운트가 가상 머신의 경계를 넘어야 합니다.
# </details>
#
# **2. 새 이미지를 배포했는데 컨테이너에 옛 파일이 보입니다. 왜 그럴까요?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 그 경로에 볼륨이 마운트되어 있습니다. 첫 이미지가 채웠고 이제 비어 있지 않으므로 아무것도 복사되지 않습니다(`rebuilt` 표의
#   `same volume` 행).
# - 해결: 코드를 볼륨에 두지 않거나, 데이터가 없음을 확인하고 볼륨을 지웁니다.
#
# *이어지는 질문:* "바인드 마운트라면요?" 언제나 호스트의 파일이 보이고 이미지의 파일은 하나도 보이지 않습니다.
# </details>
#
# **3. 마운트한 디렉터리에서 컨테이너가 "Permission denied"를 냅니다. 어떻게 접근하겠습니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 숫자를 비교합니다. 안에서 `id`, 마운트에서 `stat -c '%u:%g %a'`입니다(`ownership` 표의 `owner`, `mode` 열).
# - 볼륨이면 이미지에서 `USER` 앞에 디렉터리 소유자를 정하거나 root로 한 번 `chown`합니다. 바인드 마운트면 호스트의 uid로 실행합니다.
# - 숫자가 맞는데도 안 되면 `:ro`, SELinux 레이블, 사용자 네임스페이스를 봅니다.
#
# *이어지는 질문:* "왜 777은 안 됩니까?" 그 디렉터리를 쓰는 다른 모두가 쓸 수 있게 되기 때문입니다.
# </details>

# %% [markdown] lang="en"
# ## In short
#
# | question | answer, by your own table |
# |---|---|
# | Who wins over a non-empty path? | `over`: the mount; an empty volume is filled first |
# | Why old files after a new image? | `rebuilt`: the volume is not empty any more |
# | `-v` or `--mount`? | `missing`: one makes the path, the other refuses |
# | How far does `:ro` reach? | `readonly`: one mount, no further |
# | Who may write? | `ownership`: numbers decide |
# | Which mount has a size limit? | `full`: tmpfs, then ENOSPC |
#
# The last cell removes what you made in the exercises. Next: `03_volumes`, the life of a volume.

# %% [markdown] lang="ko" of="5ab222fd"
# ## 정리
#
# | 질문 | 내 표로 보는 답 |
# |---|---|
# | 비어 있지 않은 경로에서 누가 이기나? | `over`: 마운트. 빈 볼륨은 먼저 채워짐 |
# | 새 이미지인데 왜 옛 파일인가? | `rebuilt`: 볼륨이 더는 비어 있지 않음 |
# | `-v`인가 `--mount`인가? | `missing`: 하나는 경로를 만들고 하나는 거부함 |
# | `:ro`는 어디까지인가? | `readonly`: 마운트 하나까지 |
# | 누가 쓸 수 있나? | `ownership`: 숫자가 정함 |
# | 크기를 제한할 수 있는 마운트는? | `full`: tmpfs, 넘치면 ENOSPC |
#
# 마지막 셀은 연습에서 만든 것을 지웁니다. 다음은 `03_volumes`, 볼륨의 일생입니다.

# %%
exercises.clear(client)
