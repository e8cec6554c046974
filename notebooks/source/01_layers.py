# %% [markdown] lang="en"
# # 1. Layers: where the bytes are
#
# An image is a stack of read-only layers; a container adds one writable layer on top. Everybody says so. In an interview the
# sentence is worth little until you can say what it *costs*: who pays for which bytes, what one write takes, what a
# deletion leaves behind.
#
# In this chapter (about 40 minutes) you will
#
# - read an image's history as a table and see which instructions add bytes,
# - measure what 100 containers of one image take,
# - append one byte to a large file and see what that moves,
# - recover a "deleted" password from an image,
# - see a deletion as `docker diff` and as a whiteout, and find out what `docker commit` leaves out.

# %% [markdown] lang="ko" of="48be2157"
# # 1. 레이어: 바이트는 어디에 있는가
#
# 이미지는 읽기 전용 레이어를 쌓은 것이고, 컨테이너는 그 위에 쓰기 레이어를 하나 더합니다. 누구나 그렇게 말합니다. 면접에서 이 문장이
# 값어치를 가지려면 *비용*을 말할 수 있어야 합니다. 어느 바이트가 누구의 몫인지, 한 번 쓰는 데 무엇이 드는지, 지우면 무엇이 남는지 말입니다.
#
# 이 장에서는 (약 40분)
#
# - 이미지의 이력을 표로 읽고 어떤 명령이 바이트를 더하는지 보고,
# - 한 이미지로 만든 컨테이너 100개가 디스크를 얼마나 쓰는지 측정하고,
# - 큰 파일에 1바이트를 덧붙일 때 무엇이 움직이는지 확인하고,
# - "삭제한" 비밀번호를 이미지에서 되찾고,
# - 삭제가 `docker diff`와 whiteout으로 어떻게 보이는지, `docker commit`이 무엇을 빠뜨리는지 알아봅니다.

# %%
from voldemo import charts, checks, connect, exercises, predict, track
from voldemo.experiments import layers

client = connect()

# %% [markdown] lang="en"
# ## 1.1 Which instructions add bytes?
#
# Many answers open with a picture of an image like this:
#
# ```text
# read/write layer (container)
# image layer 3 (read-only)
# image layer 2 (read-only)
# image layer 1 (read-only)
# base image layer (read-only)
# ```
#
# It is right, with two corrections you can make yourself below: a base image is not a special kind of layer, and not every
# instruction of a Dockerfile makes a layer that holds anything. **Which of these instructions add bytes to `postgres`?**

# %% [markdown] lang="ko" of="09816db9"
# ## 1.1 어떤 명령이 바이트를 더할까?
#
# 면접 답변에 흔히 나오는 이미지 그림입니다.
#
# ```text
# 읽기/쓰기 레이어 (컨테이너)
# 이미지 레이어 3 (읽기 전용)
# 이미지 레이어 2 (읽기 전용)
# 이미지 레이어 1 (읽기 전용)
# 베이스 이미지 레이어 (읽기 전용)
# ```
#
# 맞는 그림이지만 아래에서 두 가지를 직접 고쳐 보세요. 베이스 이미지는 특별한 종류의 레이어가 아니고, Dockerfile의 모든 명령이 내용이 있는
# 레이어를 만드는 것도 아닙니다. **다음 명령 가운데 `postgres` 이미지에 바이트를 더하는 것은 무엇일까요?**

# %%
adds_guess = predict("adds", instruction=("RUN", "COPY", "ENV", "EXPOSE", "VOLUME", "ENTRYPOINT", "CMD"))
adds_guess

# %%
instructions = layers.instructions(client)
instructions

# %%
charts.grid(adds_guess.against(instructions));

# %% [markdown] lang="en"
# Only what writes files makes a layer with content. `ENV`, `EXPOSE`, `VOLUME`, `CMD` and their like change the image's
# *configuration*, a small JSON document. Here are the steps one by one, the lowest at the bottom: what `FROM` brought is
# simply the first of them.

# %% [markdown] lang="ko" of="4d55818d"
# 파일을 쓰는 명령만 내용이 있는 레이어를 만듭니다. `ENV`, `EXPOSE`, `VOLUME`, `CMD` 같은 것은 이미지의 *설정*, 즉 작은 JSON 문서를
# 바꿀 뿐입니다. 아래는 단계를 하나씩 늘어놓은 것이고 가장 낮은 단계가 맨 밑입니다. `FROM`이 가져온 것도 그저 첫 단계입니다.

# %%
history = layers.history(client)
history

# %%
charts.steps(history);

# %% [markdown] lang="en"
# ## 1.2 Who pays for the base, and for 100 containers?
#
# `postgres` and `redis` are both built on Debian. A layer is named by the digest of its content, so "the same layer" can be
# looked up: the column `images` counts how many of the three images (`debian`, `postgres`, `redis`) have it.

# %% [markdown] lang="ko" of="ad372966"
# ## 1.2 베이스 이미지와 컨테이너 100개의 용량은 누구의 몫일까?
#
# `postgres`와 `redis`는 둘 다 Debian 위에 만들어집니다. 레이어의 이름은 내용의 다이제스트이므로 "같은 레이어"인지 찾아볼 수 있습니다.
# `images` 열은 세 이미지(`debian`, `postgres`, `redis`) 가운데 몇 개가 그 레이어를 갖는지 셉니다.

# %%
shared = layers.shared(client)
shared

# %%
charts.stacks(shared);

# %% [markdown] lang="en"
# A layer with `images` above 1 is stored once, however many images use it. (Images from a registry share it only if they
# were built on the very same Debian image; if yours show 1 everywhere, they were not.) Adding up what `docker image ls`
# lists therefore counts too much.
#
# Now one image and many containers. Each gets a file of 1 KiB of its own. **How many images' worth of disk do 1, 10 and 100
# containers take?**

# %% [markdown] lang="ko" of="186a7724"
# `images`가 1보다 큰 레이어는 이미지 몇 개가 쓰든 한 번만 저장됩니다. (레지스트리에서 받은 이미지는 똑같은 Debian 이미지 위에 빌드된 경우에만
# 레이어를 공유합니다. 모두 1로 나온다면 그렇지 않은 것입니다.) 그래서 `docker image ls`의 크기를 더하면 실제보다 많이 나옵니다.
#
# 이번에는 이미지 하나에 컨테이너 여러 개입니다. 컨테이너마다 1KiB짜리 파일을 하나씩 씁니다. **컨테이너 1개, 10개, 100개는 각각 이미지
# 몇 개 분량의 디스크를 쓸까요?**

# %%
bill_guess = predict("times", choices=(1, 2, 10, 100), containers=(1, 10, 100))
bill_guess

# %%
bill = layers.containers(client, track=track)
bill

# %%
charts.bill(bill);

# %% [markdown] lang="en"
# `shared_bytes` is the image, once; only `writable_bytes` grows with the number of containers. This is why
# `docker ps --size` prints two figures: `SIZE` is the writable layer, `virtual` adds the image, and adding up the `virtual`
# figures of 100 containers counts the image a hundred times.

# %% [markdown] lang="ko" of="527ea3a7"
# `shared_bytes`는 이미지 한 번 분량이고, 컨테이너 수에 따라 늘어나는 것은 `writable_bytes`뿐입니다. `docker ps --size`가 숫자를 두 개
# 보여 주는 까닭입니다. `SIZE`는 쓰기 레이어이고 `virtual`은 여기에 이미지를 더한 값이라, 컨테이너 100개의 `virtual`을 더하면 이미지를
# 백 번 세게 됩니다.

# %%
charts.grid(bill_guess.against(bill));

# %% [markdown] lang="en"
# ## 1.3 What does one byte cost?
#
# The layers below are read-only. To change a file that comes from the image, the driver first copies it up into the
# writable layer. We append one byte to a file, then another one: once to a file of the image, once to the same file in a
# volume.
# **Which of these appends copies the whole file?**

# %% [markdown] lang="ko" of="16b1dbe3"
# ## 1.3 1바이트를 쓰는 데 얼마가 들까?
#
# 아래 레이어는 읽기 전용입니다. 이미지에서 온 파일을 바꾸려면 드라이버가 먼저 그 파일을 쓰기 레이어로 복사해 올립니다(copy-up). 파일
# 하나에 1바이트를 덧붙이고, 또 1바이트를 덧붙입니다. 한 번은 이미지의 파일에, 한 번은 볼륨에 있는 같은 파일에 합니다. **이 가운데 파일
# 전체를 복사하는 것은 어느 쪽일까요?**

# %%
copied_guess = predict("copied", place=("layer", "volume"), append=("first", "second"))
copied_guess

# %%
copy_up = layers.copy_up(client, track=track)
copy_up

# %%
charts.copy_up(copy_up);

# %% [markdown] lang="en"
# Look at `writable_bytes` first: after one byte, the writable layer holds the *whole file*. That is the proof, and it is the
# same with every overlay driver (`btrfs` and `zfs` copy blocks, not files). The seconds depend on the disk and its file
# system: one with reflinks copies almost for free. On most, only the first append takes longer as the file grows.
#
# This is the second reason, after `rm`, to keep files that change out of the writable layer: the first write to a file of
# the image pays for the whole file. A volume's files are not below any layer.

# %% [markdown] lang="ko" of="3b171daa"
# 먼저 `writable_bytes`를 보세요. 1바이트를 썼을 뿐인데 쓰기 레이어에 *파일 전체*가 있습니다. 이것이 증거이고, 오버레이 계열
# 드라이버라면 어디서나 같습니다(`btrfs`와 `zfs`는 파일이 아니라 블록을 복사합니다). 걸린 시간은 디스크와 파일 시스템에 따라 다르고, reflink가
# 되는 파일 시스템은 거의 공짜로 복사합니다. 대개는 첫 번째 덧붙이기만 파일 크기를 따라 느려집니다.
#
# 바뀌는 파일을 쓰기 레이어에 두지 않는 이유는 `rm`이 첫째, 이것이 둘째입니다. 이미지에 있던 파일은 처음 쓸 때 파일 전체의 값을 치릅니다.
# 볼륨의 파일은 어느 레이어 아래에도 있지 않습니다.

# %%
largest = copy_up[copy_up.file_bytes == copy_up.file_bytes.max()]
charts.grid(copied_guess.against(largest));

# %% [markdown] lang="en"
# ## 1.4 Deleted, and still there
#
# A Dockerfile writes a file with a password and 16 MiB of other data, and removes it: once in a later `RUN`, once in the
# same one. In neither image can a container see the file. **From which one can the password be recovered?**

# %% [markdown] lang="ko" of="a15830c0"
# ## 1.4 지웠지만 남아 있는 것
#
# 어떤 Dockerfile이 비밀번호와 다른 데이터 16MiB가 든 파일을 만들고 지웁니다. 한 번은 나중 `RUN`에서, 한 번은 같은 `RUN`에서 지웁니다. 두
# 이미지 모두 컨테이너 안에서는 그 파일이 보이지 않습니다. **비밀번호를 되찾을 수 있는 것은 어느 쪽일까요?**

# %%
deleted_guess = predict("recovered", delete=("later step", "same step"))
deleted_guess

# %%
deleted = layers.deleted(client)
deleted

# %%
charts.grid(deleted_guess.against(deleted));

# %%
charts.bars(deleted, "delete", "image_bytes_added");

# %% [markdown] lang="en"
# A layer cannot take anything out of the layer below; it can only hide it. So a later `rm` makes the image no smaller and
# hides nothing from whoever reads the tar that `docker save` writes, or pulls the image. Two habits follow: create and
# remove in *one* `RUN`, and never let a secret into a layer at all: `RUN --mount=type=secret` exists for that. A secret that
# was ever in a pushed image has to be replaced; deleting it is not enough.

# %% [markdown] lang="ko" of="7b365866"
# 레이어는 아래 레이어에서 아무것도 덜어 낼 수 없고, 가릴 수 있을 뿐입니다. 그래서 나중에 하는 `rm`은 이미지를 줄이지도 못하고,
# `docker save`가 만드는 tar를 읽거나 이미지를 pull하는 사람에게 아무것도 숨기지 못합니다. 여기서 두 가지 습관이 나옵니다. 만들고 지우는
# 일은 *한* `RUN` 안에서 하고, 비밀 값은 애초에 레이어에 넣지 않습니다. `RUN --mount=type=secret`이 그래서 있습니다. 한 번이라도 push한
# 이미지에 들어간 비밀 값은 지우는 것으로는 부족하고, 새 값으로 바꿔야 합니다.

# %% [markdown] lang="en"
# ## 1.5 A deletion, looked at
#
# A container adds the file `/added`, appends a line to `/etc/group` and removes `/etc/passwd`. `docker diff` marks each path
# **A** (added), **C** (changed) or **D** (deleted). **Which path gets which mark?**

# %% [markdown] lang="ko" of="e521becc"
# ## 1.5 삭제를 들여다보기
#
# 컨테이너가 `/added` 파일을 만들고, `/etc/group`에 한 줄을 덧붙이고, `/etc/passwd`를 지웁니다. `docker diff`는 경로마다
# **A**(추가), **C**(변경), **D**(삭제)를 표시합니다. **각 경로에는 어떤 표시가 붙을까요?**

# %%
diff_guess = predict("kind", choices=("A", "C", "D"), path=("/added", "/etc", "/etc/group", "/etc/passwd"))
diff_guess

# %%
diff = layers.diff(client)
diff

# %%
charts.grid(diff_guess.against(diff));

# %% [markdown] lang="en"
# `/etc` itself is **C**: its list of entries changed. The column `committed` shows what ends up in a layer. A change is the
# whole new file. A deletion is an *extra* file, `.wh.passwd`: the **whiteout** that hides the one below. (In a layer's tar,
# that is; on the host's disk, overlayfs keeps the same fact as a character device numbered 0/0.)

# %% [markdown] lang="ko" of="0f3b49ca"
# `/etc` 자체는 **C**입니다. 그 안의 목록이 바뀌었기 때문입니다. `committed` 열은 레이어에 실제로 들어가는 것입니다. 변경은 새 파일
# 전체이고, 삭제는 `.wh.passwd`라는 *추가* 파일입니다. 아래 레이어의 파일을 가리는 **whiteout**입니다. (레이어의 tar에서 그렇고, 호스트
# 디스크에서는 overlayfs가 같은 사실을 장치 번호가 0/0인 문자 장치로 기록합니다.)

# %% [markdown] lang="en"
# ## 1.6 What does `docker commit` take?
#
# One container, five kinds of storage, a note in each. We commit the container and look for the notes in a container of the
# new image. **Which notes are there?**

# %% [markdown] lang="ko" of="e41ab263"
# ## 1.6 `docker commit`은 무엇을 담을까?
#
# 컨테이너 하나에 다섯 종류의 스토리지가 있고 각각에 메모를 남깁니다. 컨테이너를 commit한 다음, 새 이미지로 만든 컨테이너에서 메모를
# 찾습니다. **어느 메모가 있을까요?**

# %%
commit_guess = predict("in_image", kind=("layer", "volume", "anonymous", "bind", "tmpfs"))
commit_guess

# %%
commit = layers.commit(client)
commit

# %%
charts.grid(commit_guess.against(commit));

# %% [markdown] lang="en"
# Only the writable layer. Whatever is mounted is not part of the container's file system, so neither `commit` nor
# `docker export` sees it. "We commit the database container every night" is a backup of everything but the database.

# %% [markdown] lang="ko" of="1a905a52"
# 쓰기 레이어뿐입니다. 마운트된 것은 컨테이너 파일 시스템의 일부가 아니므로 `commit`도 `docker export`도 담지 않습니다. "매일 밤
# 데이터베이스 컨테이너를 commit합니다"는 데이터베이스만 빼고 다 백업하는 것입니다.

# %% [markdown] lang="en"
# ## 1.7 Exercise: a slim image
#
# This Dockerfile computes a checksum and cleans up after itself. Its image is still 20 MiB larger than `busybox`.
#
# ```dockerfile
# FROM busybox:1.37
# RUN dd if=/dev/zero of=/big bs=1M count=20
# RUN sha256sum /big | cut -d' ' -f1 > /result
# RUN rm /big
# ```
#
# Make an image with the same `/result`, without `/big`, and less than 1 MiB larger than `busybox`. Label it with
# `--label $LABEL`; `docker build -` reads a Dockerfile from standard input.

# %% [markdown] lang="ko" of="bac7f26a"
# ## 1.7 연습: 날씬한 이미지
#
# 이 Dockerfile은 체크섬을 계산하고 뒷정리까지 합니다. 그런데도 이미지는 `busybox`보다 20MiB 큽니다.
#
# ```dockerfile
# FROM busybox:1.37
# RUN dd if=/dev/zero of=/big bs=1M count=20
# RUN sha256sum /big | cut -d' ' -f1 > /result
# RUN rm /big
# ```
#
# `/result`는 같고, `/big`은 없고, `busybox`보다 커진 크기가 1MiB 미만인 이미지를 만드세요. `--label $LABEL`을 붙이세요.
# `docker build -`는 Dockerfile을 표준 입력으로 받습니다.

# %% tags=["exercise"]
# !printf 'FROM busybox:1.37\nRUN dd if=/dev/zero of=/big bs=1M count=20 && sha256sum /big | cut -d" " -f1 > /result && rm /big\n' | docker build --quiet --label $LABEL -

# %%
checks.slim_image(client)

# %% [markdown] lang="en"
# A multi-stage build is the other classic way: compute in one stage, `COPY --from` only the result into the next.

# %% [markdown] lang="ko" of="d81ffa36"
# 다른 고전적인 방법은 멀티 스테이지 빌드입니다. 한 스테이지에서 계산하고, 결과만 `COPY --from`으로 다음 스테이지에 옮깁니다.

# %% [markdown] lang="en"
# ## 1.8 Exercise: A, C and D
#
# Make one container (with `--label $LABEL`, and without `--rm`) whose `docker diff` lists all three marks.

# %% [markdown] lang="ko" of="c92573c7"
# ## 1.8 연습: A, C, D
#
# `docker diff`에 세 가지 표시가 모두 나오는 컨테이너를 하나 만드세요. `--label $LABEL`을 붙이고 `--rm`은 쓰지 않습니다.

# %% tags=["exercise"]
# !docker run --label $LABEL --network none busybox:1.37 sh -c 'touch /new; rm /etc/passwd'

# %%
checks.all_kinds(client)

# %% [markdown] lang="en"
# ## 1.9 Say it
#
# **1. What is an image layer, and which instructions make one?**
#
# <details><summary>What a good answer has</summary>
#
# - The files one build step added, changed or hid, named by the digest of their content; read-only and shared.
# - `RUN`, `COPY` and `ADD` make layers with content (and `WORKDIR`, where the directory is not there yet); `ENV`, `CMD`,
#   `EXPOSE`, `VOLUME` only change the configuration (the table of 1.1).
#
# *They will go on with:* "Then why does the order of instructions matter?" The build cache: a step runs again when it or
# anything before it changed.
# </details>
#
# **2. You start 100 containers from a 1 GB image. How much disk is that?**
#
# <details><summary>What a good answer has</summary>
#
# - 1 GB for the image, once, plus 100 writable layers: as much as each container *writes* (your `bill`).
# - A write to a file of the image copies the whole file first; appending one byte to a 1 GB file therefore adds 1 GB to that
#   container's layer (your `copy_up`, column `writable_bytes`).
#
# *They will go on with:* "And the logs?" They are outside the layers, and the default `json-file` driver does not
# rotate them: they grow until you set a limit.
# </details>
#
# **3. Somebody committed a password to an image and deleted it in the next step. Is that enough?**
#
# <details><summary>What a good answer has</summary>
#
# - No: the deletion is a whiteout in a new layer; the old layer still has the file, and `docker save` gives it to anyone (your
#   `deleted`, column `recovered`).
# - Change the secret, rebuild without it, and use a build secret from now on.
#
# *They will go on with:* "How would you find such files?" `docker history` for suspicious sizes, then read the layers of
# `docker save`.
# </details>

# %% [markdown] lang="ko" of="7a29e50a"
# ## 1.9 말해 보기
#
# **1. 이미지 레이어란 무엇이고, 어떤 명령이 레이어를 만듭니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 빌드 한 단계가 추가하거나 바꾸거나 가린 파일의 묶음이고, 내용의 다이제스트가 이름입니다. 읽기 전용이며 공유됩니다.
# - `RUN`, `COPY`, `ADD`는 내용이 있는 레이어를 만들고(디렉터리가 아직 없다면 `WORKDIR`도), `ENV`, `CMD`, `EXPOSE`, `VOLUME`은 설정만
#   바꿉니다(1.1의 표).
#
# *이어지는 질문:* "그럼 명령의 순서는 왜 중요합니까?" 빌드 캐시 때문입니다. 자신이나 앞 단계가 바뀌면 그 단계부터 다시 실행됩니다.
# </details>
#
# **2. 1GB 이미지로 컨테이너 100개를 띄우면 디스크를 얼마나 씁니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 이미지는 한 번만 1GB이고, 여기에 쓰기 레이어 100개가 더해집니다. 컨테이너가 *쓴* 만큼입니다(`bill` 표).
# - 이미지의 파일에 쓰면 먼저 파일 전체가 복사됩니다. 1GB 파일에 1바이트를 덧붙이면 그 컨테이너의 레이어가 1GB 늘어납니다(`copy_up` 표의
#   `writable_bytes` 열).
#
# *이어지는 질문:* "로그는요?" 로그는 레이어 바깥에 있고, 기본값인 `json-file` 드라이버는 로테이션을 하지 않으므로 한도를 정하지 않으면
# 끝없이 늘어납니다.
# </details>
#
# **3. 누가 이미지에 비밀번호를 넣었다가 다음 단계에서 지웠습니다. 그것으로 충분합니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 아닙니다. 삭제는 새 레이어의 whiteout일 뿐이고 이전 레이어에는 파일이 그대로 있어서, `docker save`만 하면 누구나 꺼낼 수 있습니다
#   (`deleted` 표의 `recovered` 열).
# - 비밀번호를 바꾸고, 비밀 값 없이 다시 빌드하고, 앞으로는 빌드 시크릿을 씁니다.
#
# *이어지는 질문:* "그런 파일은 어떻게 찾습니까?" `docker history`에서 수상한 크기를 찾고 `docker save`의 레이어를 읽습니다.
# </details>

# %% [markdown] lang="en"
# ## In short
#
# | question | answer, by your own table |
# |---|---|
# | What makes a layer with content? | `instructions`: what writes files |
# | What do 100 containers cost? | `bill`: one image, 100 writable layers |
# | What does one byte cost? | `copy_up`: the whole file, once per container |
# | What does `rm` in a later step save? | `deleted`: nothing |
# | What does `commit` take? | `commit`: the writable layer alone |
#
# The last cell removes what you made in the exercises. Next: `02_mounts`, what happens when something is put over a path.

# %% [markdown] lang="ko" of="78042505"
# ## 정리
#
# | 질문 | 내 표로 보는 답 |
# |---|---|
# | 내용이 있는 레이어는 무엇이 만드나? | `instructions`: 파일을 쓰는 명령 |
# | 컨테이너 100개의 비용은? | `bill`: 이미지 하나와 쓰기 레이어 100개 |
# | 1바이트의 비용은? | `copy_up`: 컨테이너마다 처음 한 번, 파일 전체 |
# | 나중 단계의 `rm`이 아끼는 것은? | `deleted`: 없음 |
# | `commit`이 담는 것은? | `commit`: 쓰기 레이어만 |
#
# 마지막 셀은 연습에서 만든 것을 지웁니다. 다음은 `02_mounts`, 경로 위에 무언가를 마운트하면 생기는 일입니다.

# %%
exercises.clear(client)
