# %% [markdown] lang="en"
# # Docker storage, by experiment
#
# In an interview, "volumes persist data" is where the questions begin, not where they end. *Which* data, through *which*
# event, on *which* engine version, and how do you know? In this workbook you answer from your own measurements.
#
# Every chapter goes the same way: **predict** what Docker will do, **run** it on a real engine, see it **drawn**, read
# **why**, then do an **exercise** and **say it** the way you would across the table.
#
# In this chapter (about 20 minutes) you will
#
# - connect to an engine and read off what it is,
# - find out which writes outlive `restart`, `stop`, `kill` and `rm`,
# - see what becomes of a volume when its container goes,
# - make your first volume, and answer three questions that many interviews open with.
#
# Run a cell with **Shift+Enter**. Nothing here touches containers or volumes of yours: whatever an experiment makes
# carries one label, and that label is how it is found and removed at the end.

# %% [markdown] lang="ko" of="014104f6"
# # 실험으로 배우는 Docker 스토리지
#
# 면접에서 "볼륨을 쓰면 데이터가 유지됩니다"라는 답은 질문의 끝이 아니라 시작입니다. *어떤* 데이터가, *어떤* 일을 겪고도, *어느*
# 버전의 엔진에서 남는지, 그리고 그것을 어떻게 아는지가 이어서 나옵니다. 이 워크북에서는 직접 측정한 결과로 답합니다.
#
# 모든 장은 같은 순서로 진행됩니다. Docker가 어떻게 동작할지 **예측**하고, 실제 엔진에서 **실행**하고, 결과를 **그림**으로 보고,
# **이유**를 읽은 다음, **연습 문제**를 풀고, 면접관 앞이라고 생각하고 **말해 봅니다**.
#
# 이 장에서는 (약 20분)
#
# - 엔진에 연결해 그 엔진이 무엇인지 읽어 내고,
# - `restart`, `stop`, `kill`, `rm` 뒤에 어떤 쓰기가 남는지 확인하고,
# - 컨테이너가 사라질 때 볼륨은 어떻게 되는지 보고,
# - 첫 볼륨을 만든 뒤, 면접에서 흔히 맨 먼저 나오는 세 가지 질문에 답합니다.
#
# 셀은 **Shift+Enter**로 실행합니다. 여러분의 컨테이너나 볼륨은 건드리지 않습니다. 실험이 만드는 것에는 모두 같은 레이블이 붙고,
# 끝나면 그 레이블로 찾아 지웁니다.

# %% [markdown] lang="en"
# ## 0.1 Which engine is this?
#
# Many wrong answers about Docker storage were right on some older version. So the first thing to know is what you are
# talking to.

# %% [markdown] lang="ko" of="4f5555f6"
# ## 0.1 어떤 엔진인가?
#
# Docker 스토리지에 관한 틀린 답 가운데 상당수는 예전 버전에서는 맞던 답입니다. 그래서 지금 쓰는 엔진이 무엇인지부터 알아야 합니다.

# %%
from voldemo import charts, checks, connect, emulated, exercises, images, predict, track
from voldemo.experiments import persistence

client = connect()

# %% [markdown] lang="en"
# Four things in that line matter later. The **version** decides, for example, what `docker volume prune` removes. The
# **API** version is what a client can ask for. The **driver** (`overlay2`, `overlayfs`, `btrfs` …) is what stacks image
# layers into a container's file system, and the last word says who keeps those layers: a **graph driver** inside Docker, or
# **containerd**, the default of a fresh install since Engine 29.
#
# "Docker uses overlay2" is therefore not an answer; "this engine reports …" is.
#
# Where no engine was there, voldemo has started its own, and the line says **voldemo embedded engine**: real processes on
# real files, without root and without a daemon. The next cell lists what it only imitates; on any other engine the list is
# empty.

# %% [markdown] lang="ko" of="e648388e"
# 이 한 줄에서 네 가지가 뒤에서 중요해집니다. **버전**은 이를테면 `docker volume prune`이 무엇을 지우는지를 정합니다. **API** 버전은
# 클라이언트가 요청할 수 있는 범위입니다. **드라이버**(`overlay2`, `overlayfs`, `btrfs` 등)는 이미지 레이어를 쌓아 컨테이너의 파일
# 시스템을 만들고, 마지막 단어는 그 레이어를 누가 보관하는지를 말합니다. Docker 내부의 **그래프 드라이버**(graph driver)이거나,
# Engine 29부터 새로 설치할 때 기본값이 된 **containerd**입니다.
#
# 그러니 "Docker는 overlay2를 씁니다"는 답이 아닙니다. "이 엔진은 …라고 보고합니다"가 답입니다.
#
# 엔진이 하나도 없으면 voldemo가 자체 엔진을 시작하고, 이 줄에 **voldemo embedded engine**이라고 나옵니다. root 권한도 데몬도 없이 실제
# 프로세스를 실제 파일 위에서 돌리는 엔진입니다. 다음 셀은 이 엔진이 흉내만 내는 것을 보여 줍니다. 다른 엔진에서는 표가 비어 있습니다.

# %%
emulated(client)

# %%
images.status(client)

# %% [markdown] lang="en"
# The experiments need these four images. If one is missing, run `voldemo images` in a terminal (with `--from DIR` where
# there is no registry). Until then, only the experiments that use it have to wait.

# %% [markdown] lang="ko" of="91ca231c"
# 실험에는 이 네 이미지가 필요합니다. 없는 것이 있으면 터미널에서 `voldemo images`를 실행하세요. 레지스트리에 접속할 수 없는 곳이라면
# `--from DIR`을 붙입니다. 그때까지는 없는 이미지를 쓰는 실험만 미루면 됩니다.

# %% [markdown] lang="en"
# ## 0.2 Which writes survive?
#
# A process writes the file `/data/note`. Depending on how the container was started, `/data` is
#
# | kind | how it is started |
# |---|---|
# | `layer` | nothing is mounted: the write goes to the container's own writable layer |
# | `volume` | `-v notes:/data`: a named volume |
# | `anonymous` | `-v /data`: a volume without a name |
# | `bind` | `-v /srv/notes:/data`: a directory of the host |
# | `tmpfs` | `--tmpfs /data`: memory |
#
# Then one thing happens to the container. After `stop` and `kill` it is started again; after `rm`, a *new* container is
# started with the same options. **Is the note there? Predict all twenty before you run.**

# %% [markdown] lang="ko" of="e78b463f"
# ## 0.2 어떤 쓰기가 살아남을까?
#
# 프로세스가 `/data/note` 파일을 씁니다. 컨테이너를 어떻게 시작했는지에 따라 `/data`는 다음 중 하나입니다.
#
# | 종류 | 시작하는 방법 |
# |---|---|
# | `layer` | 아무것도 마운트하지 않음. 컨테이너 자신의 쓰기 레이어에 기록 |
# | `volume` | `-v notes:/data`, 이름 있는 볼륨 |
# | `anonymous` | `-v /data`, 이름 없는 볼륨(익명 볼륨) |
# | `bind` | `-v /srv/notes:/data`, 호스트의 디렉터리 |
# | `tmpfs` | `--tmpfs /data`, 메모리 |
#
# 그다음 컨테이너에 한 가지 일이 일어납니다. `stop`과 `kill` 뒤에는 그 컨테이너를 다시 시작하고, `rm` 뒤에는 같은 옵션으로 *새* 컨테이너를
# 시작합니다. **메모가 남아 있을까요? 실행하기 전에 스무 칸을 모두 예측해 보세요.**

# %%
survival_guess = predict("survived", kind=persistence.KINDS, event=("restart", "stop", "kill", "rm"))
survival_guess

# %%
survival = persistence.survival(client, track=track)
survival

# %%
charts.grid(survival_guess.against(survival));

# %% [markdown] lang="en"
# A red frame marks a prediction that missed. Three rows surprise people.
#
# - **`layer` survives everything but `rm`.** "Containers lose their data when they stop" is wrong: stopping or killing ends
#   the *process*. The writable layer stays until the container is removed.
# - **`anonymous` fails at `rm` although a plain `rm` removes no volume.** The volume is still on the engine. But nobody
#   asks for it by name, so the new container gets a new, empty one. The data is not gone; it is orphaned.
# - **`tmpfs` does not even survive `restart`.** It lives as long as the mount, and the mount goes with the process.
#
# So persistence is not a property of "volumes". It is a property of *where the bytes are* and of *who can still name them*.

# %% [markdown] lang="ko" of="1a5cb70d"
# 빨간 테두리는 빗나간 예측입니다. 사람들이 놀라는 행은 셋입니다.
#
# - **`layer`는 `rm`만 빼고 다 견딥니다.** "컨테이너가 멈추면 데이터가 사라진다"는 틀린 말입니다. 멈추거나 강제로 끝내면 끝나는 것은
#   *프로세스*이고, 쓰기 레이어는 컨테이너를 삭제할 때까지 남습니다.
# - **`anonymous`는 `rm`에서 실패합니다. 그냥 `rm`하면 볼륨은 지워지지 않는데도 그렇습니다.** 볼륨은 엔진에 그대로 있지만 이름으로 찾는 이가
#   없으니, 새 컨테이너는 새로 만든 빈 볼륨을 받습니다. 데이터는 사라진 것이 아니라 고아가 된 것입니다.
# - **`tmpfs`는 `restart`조차 견디지 못합니다.** 마운트가 살아 있는 동안만 존재하고, 마운트는 프로세스와 함께 사라집니다.
#
# 결국 영속성은 "볼륨"이라는 기능의 성질이 아니라, *바이트가 어디에 있는지*와 *누가 아직 그 이름을 댈 수 있는지*의 문제입니다.

# %% [markdown] lang="en"
# ## 0.3 What is left when the container goes?
#
# Now one container has two volumes, one anonymous and one named, and is removed in three ways. **Which volumes does the
# engine still have afterwards?**

# %% [markdown] lang="ko" of="a77abc2a"
# ## 0.3 컨테이너가 사라지면 무엇이 남을까?
#
# 이번에는 한 컨테이너에 익명 볼륨과 이름 있는 볼륨을 하나씩 붙이고, 세 가지 방법으로 컨테이너를 지웁니다. **그 뒤에 엔진에는 어느 볼륨이
# 남아 있을까요?**

# %%
leftovers_guess = predict("left", removal=("rm", "rm -v", "run --rm"), volume=("anonymous", "named"))
leftovers_guess

# %%
leftovers = persistence.leftovers(client)
leftovers

# %%
charts.grid(leftovers_guess.against(leftovers));

# %% [markdown] lang="en"
# A named volume is never removed with a container; somebody has to ask for it. An anonymous one goes with `rm -v` and with
# `--rm`, and *stays* with a plain `rm`. That is how a disk fills up with volumes named by 64 hex digits: images such as
# `postgres` and `redis` declare a `VOLUME`, so every container without a volume of yours at that path leaves one behind
# when it goes with a plain `rm`.

# %% [markdown] lang="ko" of="ff9a62bf"
# 이름 있는 볼륨은 컨테이너와 함께 지워지는 일이 없습니다. 누군가 직접 지워야 합니다. 익명 볼륨은 `rm -v`와 `--rm`에서는 함께 지워지고,
# 그냥 `rm`에서는 *남습니다*. 이름이 16진수 64자리인 볼륨이 디스크를 채우는 이유가 이것입니다. `postgres`나 `redis` 같은 이미지는
# `VOLUME`을 선언하므로, 그 경로에 볼륨을 따로 붙이지 않은 컨테이너를 그냥 `rm`할 때마다 하나씩 남습니다.

# %% [markdown] lang="en"
# ## 0.4 Exercise: your first volume
#
# Make a **named volume**, have a container write something to a file `note` in the volume's top directory, and remove the
# container. The note must stay.
#
# Use whatever you would use at work: the `docker` command line here (a line that starts with `!` goes to the shell) or in
# a terminal, or the Python SDK with `client`. One rule for exercises: give what you make the label in `$LABEL`, that is
# `docker volume create --label $LABEL …`. The check looks for it, and nothing without it is ever touched. A terminal
# opened in JupyterLab knows `$LABEL`, too; for any other, `!echo $LABEL` shows here what it is.

# %% [markdown] lang="ko" of="bf78b9aa"
# ## 0.4 연습: 첫 볼륨 만들기
#
# **이름 있는 볼륨**을 만들고, 컨테이너가 볼륨의 최상위 디렉터리에 `note`라는 파일을 쓰게 한 다음, 컨테이너를 지우세요. 메모는 남아야
# 합니다.
#
# 실무에서 쓰는 방법이면 무엇이든 좋습니다. 여기서 `docker` 명령을 써도 되고(`!`로 시작하는 줄은 셸에서 실행됩니다), 터미널을 열어도 되고,
# `client`로 Python SDK를 써도 됩니다. 연습 문제의 규칙은 하나입니다. 만드는 것에 `$LABEL` 레이블을 붙이세요. 즉
# `docker volume create --label $LABEL …`입니다. 채점할 때 이 레이블을 찾고, 레이블이 없는 것은 절대 건드리지 않습니다. JupyterLab에서 연
# 터미널도 `$LABEL`을 압니다. 다른 터미널이라면 여기서 `!echo $LABEL`을 실행해 값을 확인하세요.

# %% tags=["exercise"]
# !docker volume create --label $LABEL my-notes
# !docker run --rm --network none -v my-notes:/data busybox:1.37 sh -c 'echo hello > /data/note'

# %%
checks.first_volume(client)

# %% [markdown] lang="en"
# Had you skipped `volume create`, `docker run -v my-notes:/data` would have made the volume for you, silently and without a
# label. Convenient, and the reason why a typo in a volume's name shows up as an empty database instead of an error.

# %% [markdown] lang="ko" of="b8831fc6"
# `volume create`를 건너뛰어도 `docker run -v my-notes:/data`가 볼륨을 알아서 만듭니다. 아무 말 없이, 레이블도 없이 말입니다. 편리하지만,
# 볼륨 이름에 오타가 있을 때 오류 대신 텅 빈 데이터베이스를 만나게 되는 이유이기도 합니다.

# %% [markdown] lang="en"
# ## 0.5 Say it
#
# Answer aloud, one minute each, and cite a row you measured. Then unfold.
#
# **1. What is a volume, and why is it needed?**
#
# <details><summary>What a good answer has</summary>
#
# - A directory that the engine keeps *outside* the container's layers and mounts into it; its lifetime is its own.
# - The writable layer goes with `docker rm` (row `layer`, `rm`); a named volume does not (row `volume`, `rm`).
# - Second reason: writes bypass the storage driver, so there is no copy-up. You measure that in chapter 1.
#
# *They will go on with:* "So is data lost when the container stops?" No: see `layer` at `stop`.
# </details>
#
# **2. What happens to the data on `stop`, `restart`, `kill` and `rm`?**
#
# <details><summary>What a good answer has</summary>
#
# - The first three lose only what is on a tmpfs; only `rm` removes the writable layer.
# - An anonymous volume survives a plain `rm`, but nothing refers to it any more; `rm -v` and `--rm` remove it.
# - Named volumes and bind mounts are never removed with the container.
#
# *They will go on with:* "How would you find the orphans?" `docker volume ls --filter dangling=true`: chapter 3.
# </details>
#
# **3. How do you persist a database that runs in a container?**
#
# <details><summary>What a good answer has</summary>
#
# - A *named* volume at the image's data path, so that `rm` and an image upgrade leave it alone.
# - Know the path: mounted one level off, the image's own `VOLUME` makes an anonymous volume, and the data goes there.
# - Persistence is not a backup: `docker volume rm`, a failed disk or a bad migration still destroys the data. The answer to
#   those is a dump, restored and checked.
#
# *They will go on with:* "And if the host dies?" The `local` driver keeps a volume on one host; only a backup elsewhere or a
# network file system outlives it.
# </details>

# %% [markdown] lang="ko" of="620030f0"
# ## 0.5 말해 보기
#
# 소리 내어 1분씩 답하고, 직접 측정한 행을 하나씩 인용하세요. 그런 다음 펼쳐 보세요.
#
# **1. 볼륨이 무엇이고 왜 필요합니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 엔진이 컨테이너 레이어 *바깥에* 보관하다가 컨테이너에 마운트해 주는 디렉터리. 수명이 컨테이너와 별개입니다.
# - 쓰기 레이어는 `docker rm`과 함께 사라지고(`layer` 행, `rm`), 이름 있는 볼륨은 남습니다(`volume` 행, `rm`).
# - 두 번째 이유: 볼륨에 쓰면 스토리지 드라이버를 거치지 않으므로 copy-up이 없습니다. 1장에서 직접 측정합니다.
#
# *이어지는 질문:* "그럼 컨테이너가 멈추면 데이터가 없어집니까?" 아닙니다. `layer` 행의 `stop`을 보세요.
# </details>
#
# **2. `stop`, `restart`, `kill`, `rm` 때 데이터는 각각 어떻게 됩니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 앞의 세 가지로 사라지는 것은 tmpfs뿐이고, 쓰기 레이어를 지우는 것은 `rm`뿐입니다.
# - 익명 볼륨은 그냥 `rm`하면 남지만 더는 참조하는 것이 없고, `rm -v`와 `--rm`에서는 지워집니다.
# - 이름 있는 볼륨과 바인드 마운트는 컨테이너와 함께 지워지지 않습니다.
#
# *이어지는 질문:* "고아가 된 볼륨은 어떻게 찾습니까?" `docker volume ls --filter dangling=true`입니다. 3장에서 다룹니다.
# </details>
#
# **3. 컨테이너로 띄운 데이터베이스의 데이터는 어떻게 보존합니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 이미지가 데이터를 두는 경로에 *이름 있는* 볼륨을 붙입니다. `rm`을 하거나 이미지를 업그레이드해도 그대로 남습니다.
# - 경로를 정확히 알아야 합니다. 한 단계 어긋나게 마운트하면 이미지의 `VOLUME`이 익명 볼륨을 만들고 데이터는 그리로 갑니다.
# - 영속성은 백업이 아닙니다. `docker volume rm`, 디스크 고장, 잘못된 마이그레이션에는 소용이 없습니다. 그때의 답은 덤프를 뜨고, 복원해
#   보고, 확인하는 것입니다.
#
# *이어지는 질문:* "호스트가 죽으면요?" `local` 드라이버의 볼륨은 한 호스트에만 있습니다. 다른 곳에 둔 백업이나 네트워크 파일 시스템만
# 살아남습니다.
# </details>

# %% [markdown] lang="en"
# ## In short
#
# | | survives `stop` | survives `rm` | found again by |
# |---|---|---|---|
# | writable layer | yes | no | the container |
# | named volume | yes | yes | its name |
# | anonymous volume | yes | yes, without `-v` | nobody |
# | bind mount | yes | yes | a path on that host |
# | tmpfs | no | no | |
#
# The last cell removes what you made in the exercise. Next: `01_layers`, where those bytes are.

# %% [markdown] lang="ko" of="3769f949"
# ## 정리
#
# | | `stop` 뒤에 | `rm` 뒤에 | 다시 찾는 방법 |
# |---|---|---|---|
# | 쓰기 레이어 | 남음 | 사라짐 | 그 컨테이너 |
# | 이름 있는 볼륨 | 남음 | 남음 | 이름 |
# | 익명 볼륨 | 남음 | `-v`가 없으면 남음 | 없음 |
# | 바인드 마운트 | 남음 | 남음 | 그 호스트의 경로 |
# | tmpfs | 사라짐 | 사라짐 | |
#
# 마지막 셀은 연습에서 만든 것을 지웁니다. 다음은 `01_layers`, 그 바이트가 어디에 있는지입니다.

# %%
exercises.clear(client)
