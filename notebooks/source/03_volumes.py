# %% [markdown] lang="en"
# # 3. Volumes: made, found, kept, taken away
#
# ```bash
# docker volume create --name mydata
# docker volume ls
# docker volume inspect mydata
# docker volume rm mydata
# docker volume prune        # removes unused volumes
# ```
#
# Five commands from a typical answer. Two of them are out of date, and one of those two can cost you data. You will find
# both.
#
# In this chapter (about 40 minutes) you will
#
# - make, list and inspect a volume, and learn what a name may be,
# - try to remove a volume that is in use,
# - measure what `prune` takes on *this* engine, and on others,
# - find volumes by filters, share one between containers,
# - clean up safely, and "rename" a volume.

# %% [markdown] lang="ko" of="8f70e703"
# # 3. 볼륨: 만들고, 찾고, 지키고, 지우기
#
# ```bash
# docker volume create --name mydata
# docker volume ls
# docker volume inspect mydata
# docker volume rm mydata
# docker volume prune        # 사용되지 않는 볼륨 정리
# ```
#
# 흔한 답변에 나오는 다섯 명령입니다. 이 가운데 둘은 낡았고, 그중 하나는 데이터를 잃게 할 수 있습니다. 두 가지를 모두 찾게 됩니다.
#
# 이 장에서는 (약 40분)
#
# - 볼륨을 만들고, 나열하고, 들여다보고, 이름의 규칙을 알아보고,
# - 사용 중인 볼륨을 지워 보고,
# - `prune`이 *이* 엔진에서 무엇을 지우는지 측정하고, 다른 버전과 비교하고,
# - 필터로 볼륨을 찾고, 한 볼륨을 여러 컨테이너가 함께 쓰고,
# - 안전하게 정리하고, 볼륨의 "이름을 바꿔" 봅니다.

# %%
from voldemo import charts, checks, connect, exercises, predict
from voldemo.experiments import volumes

client = connect()

# %% [markdown] lang="en"
# ## 3.1 What a volume is to the engine
#
# Make one with the SDK, as `docker volume create mydata` would, and look at it. `attrs` is the engine's own answer, what
# `docker volume inspect` prints.

# %% [markdown] lang="ko" of="e11c9a06"
# ## 3.1 엔진이 보는 볼륨
#
# `docker volume create mydata`가 하는 일을 SDK로 하고 결과를 봅니다. `attrs`는 엔진이 준 답 그대로이고, `docker volume inspect`가 출력하는
# 것과 같습니다.

# %%
mydata = client.volumes.create(exercises.name("mydata"), labels=exercises.labels())
mydata.attrs

# %%
exercises.volumes(client)

# %% [markdown] lang="en"
# A name, a driver, labels, options, and little more. No size (the engine does not keep one) and no quota. `Mountpoint` is a
# path on the *engine's* machine; on Docker Desktop that is a virtual machine, so you will not find it on your Mac or
# Windows disk. And do not write there: what goes around the engine goes around its permissions and its bookkeeping too.
#
# What may a name look like? The star stands for a few random digits. **Which names are accepted?**

# %% [markdown] lang="ko" of="f4580265"
# 이름, 드라이버, 레이블, 옵션 정도가 전부입니다. 크기도 없고(엔진이 기록하지 않습니다) 용량 제한도 없습니다. `Mountpoint`는 *엔진이 있는* 머신의
# 경로입니다. Docker Desktop이라면 가상 머신이므로 Mac이나 Windows 디스크에서는 찾을 수 없습니다. 그리고 그곳에 직접 쓰지 마세요. 엔진을
# 우회하면 권한과 관리도 우회하게 됩니다.
#
# 이름에는 무엇을 쓸 수 있을까요? 별표는 임의의 숫자 몇 자리를 뜻합니다. **어떤 이름이 받아들여질까요?**

# %%
names_guess = predict("accepted", name=volumes.NAMES)
names_guess

# %%
names = volumes.names(client)
names

# %%
charts.grid(names_guess.against(names));

# %% [markdown] lang="en"
# At least two characters, an English letter or digit first, then letters, digits, `_`, `.` and `-`. No slash: to
# `docker run -v`, a source that begins with `/` or `./` is a *path*. `-v data:/x` is a volume, `-v ./data:/x` is a bind
# mount. Two characters decide which.
#
# (`--name`, in the list above, is the first thing that is out of date: `docker volume create mydata` takes the name as an
# argument, and `--help` does not list the flag any more.)
#
# And creating twice?

# %% [markdown] lang="ko" of="c564518e"
# 두 글자 이상이고, 첫 글자는 영문자나 숫자, 그 뒤로는 영문자, 숫자, `_`, `.`, `-`입니다. 슬래시는 쓸 수 없습니다. `docker run -v`에서 `/`나
# `./`로 시작하는 원본은 *경로*입니다. `-v data:/x`는 볼륨, `-v ./data:/x`는 바인드 마운트입니다. 두 글자가 둘을 가릅니다.
#
# (위 명령 목록의 `--name`이 낡은 것 두 가지 중 첫째입니다. `docker volume create mydata`처럼 이름을 인자로 주며, `--help`에는 이 플래그가 더 이상
# 나오지 않습니다.)
#
# 두 번 만들면 어떻게 될까요?

# %%
volumes.again(client)

# %% [markdown] lang="en"
# No error: the engine hands out the volume that exists. Look at the last row: other *options* were asked for, and ignored
# without a word. This is why changing `driver_opts` in a Compose file changes nothing until the volume is made anew. (Recent
# versions of Compose notice, and ask whether to do that.)

# %% [markdown] lang="ko" of="5af2f841"
# 오류가 없습니다. 엔진은 이미 있는 볼륨을 돌려줍니다. 마지막 행을 보세요. 다른 *옵션*을 요청했지만 아무 말 없이 무시되었습니다. Compose
# 파일의 `driver_opts`를 바꿔도 볼륨을 새로 만들기 전에는 아무것도 바뀌지 않는 이유입니다. (최근 버전의 Compose는 이를 알아차리고 새로
# 만들지 물어봅니다.)

# %% [markdown] lang="en"
# ## 3.2 Removing what is in use
#
# A volume that does not exist cannot be removed, and the engine says so. This cell fails on purpose; the number in front is
# the HTTP status the engine answered with.

# %% [markdown] lang="ko" of="210e1cef"
# ## 3.2 사용 중인 볼륨 지우기
#
# 없는 볼륨은 지울 수 없고, 엔진이 그렇게 말합니다. 이 셀은 일부러 실패합니다. 앞의 숫자는 엔진이 답한 HTTP 상태 코드입니다.

# %% tags=["raises-exception"]
client.api.remove_volume(exercises.name("no-such-volume"))

# %% [markdown] lang="en"
# **Can a volume be removed while its container runs, after it has stopped, before it was ever started, when it is gone?**

# %% [markdown] lang="ko" of="9db98a7c"
# **컨테이너가 실행 중일 때, 멈춘 뒤에, 한 번도 시작하지 않았을 때, 사라진 뒤에 볼륨을 지울 수 있을까요?**

# %%
remove_guess = predict("removed", container=("running", "stopped", "created", "gone"))
remove_guess

# %%
remove = volumes.remove(client)
remove

# %%
charts.grid(remove_guess.against(remove));

# %% [markdown] lang="en"
# "In use" means *a container refers to it*, running or not: 409, Conflict. The message names the container, so the next step
# is `docker rm` of that one. `docker volume rm -f` does not override this.

# %% [markdown] lang="ko" of="7dd52ecb"
# "사용 중"이란 실행 여부와 상관없이 *어떤 컨테이너가 참조한다*는 뜻입니다. 409 Conflict입니다. 메시지에 컨테이너가 나오므로, 다음에 할
# 일은 그 컨테이너를 `docker rm`하는 것입니다. `docker volume rm -f`로도 넘어갈 수 없습니다.

# %% [markdown] lang="en"
# ## 3.3 What does prune take?
#
# "`docker volume prune` removes unused volumes": the second thing that is out of date. Three volumes: an anonymous one and
# a named one that no container refers to, and one in use. **What do `prune` and `prune --all` remove on this
# engine?** (The experiment narrows both to its own label. You should never run one without a filter on a machine you share.)

# %% [markdown] lang="ko" of="b089cec3"
# ## 3.3 prune은 무엇을 지울까?
#
# "`docker volume prune`은 사용되지 않는 볼륨을 정리한다"라는 설명이 낡은 것 두 가지 중 둘째입니다. 볼륨이 셋 있습니다. 참조하는 컨테이너가 없는 익명
# 볼륨과 이름 있는 볼륨, 그리고 사용 중인 볼륨입니다. **이 엔진에서 `prune`과 `prune --all`은 각각 무엇을 지울까요?** (실험에서는 둘 다 자기
# 레이블로 범위를 좁힙니다. 여럿이 쓰는 장비에서는 필터 없이 실행하지 마세요.)

# %%
prune_guess = predict("removed", command=("prune", "prune --all"), volume=("anonymous", "named", "in use"))
prune_guess

# %%
prune = volumes.prune(client)
prune

# %%
charts.grid(prune_guess.against(prune));

# %% [markdown] lang="en"
# Since Engine 23 (API 1.42) a plain `prune` takes only *anonymous* volumes; named ones need `--all`. Before, it took every
# unused volume, named or not, and `--all` did not exist (its rows stay open there). Podman did it the old way up to
# version 5; version 6 follows Docker. A database's volume is "unused" for the minute in which a deployment replaces its
# container. So name the version when you answer, and never put a prune into a cron job without a label filter.

# %% [markdown] lang="ko" of="0b1d4337"
# Engine 23(API 1.42)부터 그냥 `prune`은 *익명* 볼륨만 지우고, 이름 있는 볼륨까지 지우려면 `--all`이 필요합니다. 그 전에는 이름이 있든 없든
# 쓰이지 않는 볼륨을 모두 지웠고 `--all`은 없었습니다(그런 엔진에서는 해당 행이 비어 있습니다). Podman은 5까지 예전 방식이었고 6부터
# Docker를 따릅니다. 배포하느라 컨테이너를 교체하는 동안에는 데이터베이스의 볼륨도 "사용되지 않는" 볼륨입니다. 그러니 답할 때는 버전을 말하고,
# 레이블 필터 없는 prune을 cron에 넣지 마세요.

# %% [markdown] lang="en"
# ## 3.4 Finding volumes
#
# Four volumes: `logs` (labelled `tier=hot`) and `data` (`tier=cold`) belong to a container that is not running, `blog` and
# `spare` to none. **Which filter finds which?**

# %% [markdown] lang="ko" of="833a912d"
# ## 3.4 볼륨 찾기
#
# 볼륨이 넷 있습니다. `logs`(레이블 `tier=hot`)와 `data`(`tier=cold`)는 실행 중이 아닌 컨테이너의 것이고, `blog`와 `spare`는 주인이 없습니다.
# **어느 필터가 어느 볼륨을 찾을까요?**

# %%
asked = ("dangling=true", "name=log", "label=tier=hot")
filters_guess = predict("found", volume=("logs", "data", "blog", "spare"), filter=asked)
filters_guess

# %%
filters = volumes.filters(client)
filters.pivot(index="volume", columns="filter", values="found")

# %%
charts.grid(filters_guess.against(filters));

# %% [markdown] lang="en"
# `dangling=true` means "no container refers to it", named volumes included, so it is *not* the list of what `prune` would
# take. `name=` matches any part of a name: `blog` was found by `log`. Labels are the only filter that says what you meant,
# which is why everything in this workbook carries one.

# %% [markdown] lang="ko" of="0f2cb7fb"
# `dangling=true`는 "참조하는 컨테이너가 없다"는 뜻이고 이름 있는 볼륨도 들어갑니다. 그러니 `prune`이 지울 목록과 *다릅니다*. `name=`은 이름의
# 일부만 맞아도 찾습니다. `log`로 찾았는데 `blog`가 나왔습니다. 뜻한 것을 정확히 말해 주는 필터는 레이블뿐이고, 그래서 이 워크북이 만드는
# 것에는 모두 레이블이 있습니다.

# %% [markdown] lang="en"
# ## 3.5 One volume, several containers
#
# Three containers mount one volume at once, the third one `:ro`. The first writes a note. **Who can write?**

# %% [markdown] lang="ko" of="432f72d6"
# ## 3.5 볼륨 하나, 컨테이너 여럿
#
# 컨테이너 셋이 볼륨 하나를 동시에 마운트합니다. 셋째는 `:ro`입니다. 첫째가 메모를 씁니다. **쓸 수 있는 것은 누구일까요?**

# %%
use_guess = predict("wrote", container=("first", "second", "third"))
use_guess

# %%
use = volumes.use(client)
use

# %%
charts.grid(use_guess.against(use));

# %% [markdown] lang="en"
# All three read the note (`reads`), at once and without any copying: it is one directory, mounted three times. Docker adds
# *no locking*. Two databases on one volume corrupt it unless they lock files themselves; a web server that only reads
# should get `:ro`.

# %% [markdown] lang="ko" of="ebdbbab6"
# 셋 다 메모를 읽습니다(`reads`). 즉시, 복사 없이 읽습니다. 디렉터리 하나를 세 번 마운트한 것이기 때문입니다. Docker는 *잠금을 해 주지
# 않습니다*. 데이터베이스 둘이 한 볼륨을 쓰면 스스로 파일을 잠그지 않는 한 망가집니다. 읽기만 하는 웹 서버에는 `:ro`를 주세요.

# %% [markdown] lang="en"
# ## 3.6 Exercise: clean up without regret
#
# The next cell makes four volumes; the digits in their names are yours alone. One is used by a container that is not
# running, one is labelled `keep=yes`, two are of no use to anybody. Remove **only** those two. List first, and narrow what
# lists or prunes with `--filter label=$LABEL`, so that it cannot reach volumes of your own.

# %% [markdown] lang="ko" of="a8d8514f"
# ## 3.6 연습: 후회 없이 정리하기
#
# 다음 셀이 볼륨 네 개를 만듭니다. 이름 끝의 숫자는 여러분만의 것입니다. 하나는 실행 중이 아닌 컨테이너가 쓰고, 하나에는 `keep=yes`
# 레이블이 있고, 둘은 아무도 쓰지 않습니다. 그 **둘만** 지우세요. 먼저 목록을 보고, 목록이든 prune이든 `--filter label=$LABEL`로 범위를
# 좁혀, 여러분 자신의 볼륨에 닿지 않게 하세요.

# %%
exercises.unused(client)

# %% tags=["exercise"]
# !docker volume ls --filter label=$LABEL --filter dangling=true
# !docker volume rm $(docker volume ls --quiet --filter label=$LABEL --filter name=cache --filter name=scratch)

# %%
checks.unused(client)

# %% [markdown] lang="en"
# `docker volume prune --all --filter label=$LABEL --filter label!=keep=yes` does it in one command, since Engine 23. (In a
# notebook cell add `--force`: nobody can answer its question there.) It also takes the volume of 3.1.

# %% [markdown] lang="ko" of="5c7e5d3a"
# Engine 23부터는 `docker volume prune --all --filter label=$LABEL --filter label!=keep=yes` 한 줄로도 됩니다. (노트북 셀에서는 확인 질문에
# 답할 수 없으니 `--force`를 붙이세요.) 이때 3.1에서 만든 볼륨도 함께 지워집니다.

# %% [markdown] lang="en"
# ## 3.7 Exercise: rename a volume
#
# Docker cannot rename a volume. The next cell makes one, with files of different owners and modes, and keeps its name in
# `old`. Bring the content into a volume of another name (label `$LABEL`), owners and modes included, and remove the old one.
# A `!` line knows the variable as `$old`.

# %% [markdown] lang="ko" of="99399c63"
# ## 3.7 연습: 볼륨 이름 바꾸기
#
# Docker는 볼륨의 이름을 바꾸지 못합니다. 다음 셀이 볼륨을 하나 만들고 그 이름을 `old`에 담습니다. 소유자와 권한이 서로 다른 파일이 들어
# 있습니다. 내용을 소유자와 권한까지 그대로 다른 이름의 볼륨(레이블 `$LABEL`)으로 옮기고 옛 볼륨을 지우세요. `!`로 시작하는 줄에서는
# 이 변수를 `$old`로 쓸 수 있습니다.

# %%
old = exercises.rename(client)
old

# %% tags=["exercise"]
# !docker volume create --label $LABEL vd-new
# !docker run --rm --network none -v $old:/from:ro -v vd-new:/to busybox:1.37 cp -a /from/. /to/
# !docker volume rm $old

# %%
checks.renamed(client)

# %% [markdown] lang="en"
# `cp -r` would have made everything root's, and `/from/*` would miss names that begin with a dot. In real life: stop what
# writes to the volume first, and compare both sides before you remove one.

# %% [markdown] lang="ko" of="e7b19db7"
# `cp -r`였다면 모두 root 소유가 되고, `/from/*`였다면 점으로 시작하는 이름을 놓칩니다. 실무에서는 먼저 볼륨에 쓰는 것을 멈추고, 지우기 전에
# 양쪽을 비교하세요.

# %% [markdown] lang="en"
# ## 3.8 Say it
#
# **1. Named and anonymous volumes: what is the difference, and what is a dangling one?**
#
# <details><summary>What a good answer has</summary>
#
# - The same kind of volume; an anonymous one has 64 hex digits for a name, so nobody asks for it again, and since Engine 23
#   a label that marks it for `prune`.
# - `rm -v`, `--rm` and a plain `prune` take the anonymous one; a named one needs `volume rm` or `prune --all`.
# - Dangling: no container refers to it, named or not (your `filters`, column `dangling=true`).
#
# *They will go on with:* "Where do anonymous ones come from?" From `VOLUME` in the image, and from `-v /path` alone.
# </details>
#
# **2. What do `volume prune`, `volume prune --all` and `volume rm` remove?**
#
# <details><summary>What a good answer has</summary>
#
# - Since Engine 23, `prune` takes the unused anonymous ones and `prune --all` all unused ones; before, `prune` took all
#   unused ones (your `prune`). `volume rm` takes those you name.
# - None of them takes what a container refers to, stopped ones included (your `remove`: 409).
# - In practice: list with the same filter first, narrow by label, never in cron without one.
#
# *They will go on with:* "And `system prune --volumes`?" The same rule as plain `prune`, but only after it has removed all
# stopped containers, which makes more volumes unused.
# </details>
#
# **3. Two containers are to share data through a volume. What can go wrong?**
#
# <details><summary>What a good answer has</summary>
#
# - It works at once, because it is one directory (your `use`, column `reads`); and there is no locking.
# - Different uids: one cannot read what the other wrote. Readers get `:ro`.
# - One host only: the `local` driver does not follow a container to another machine.
#
# *They will go on with:* "And if they are on two hosts?" A network file system behind the volume, or a design that
# shares no files.
# </details>

# %% [markdown] lang="ko" of="bc428fcb"
# ## 3.8 말해 보기
#
# **1. 이름 있는 볼륨과 익명 볼륨은 무엇이 다르고, dangling 볼륨은 무엇입니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 같은 종류의 볼륨입니다. 다만 익명 볼륨은 이름이 16진수 64자리라 다시 찾는 사람이 없고, Engine 23부터는 `prune`이 알아보는 레이블이
#   붙습니다.
# - 익명 볼륨은 `rm -v`, `--rm`, 그냥 `prune`에서 지워지고, 이름 있는 볼륨은 `volume rm`이나 `prune --all`이 있어야 지워집니다.
# - dangling은 이름이 있든 없든 참조하는 컨테이너가 없다는 뜻입니다(`filters` 표의 `dangling=true` 열).
#
# *이어지는 질문:* "익명 볼륨은 어디에서 생깁니까?" 이미지의 `VOLUME`과, 경로만 준 `-v /path`에서 생깁니다.
# </details>
#
# **2. `volume prune`, `volume prune --all`, `volume rm`은 각각 무엇을 지웁니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - Engine 23부터 `prune`은 쓰이지 않는 익명 볼륨을, `prune --all`은 쓰이지 않는 볼륨을 모두 지웁니다. 그 전에는 `prune`이 쓰이지 않는
#   볼륨을 모두 지웠습니다(`prune` 표). `volume rm`은 지정한 볼륨을 지웁니다.
# - 멈춘 컨테이너라도 참조하고 있으면 셋 다 지우지 않습니다(`remove` 표의 409).
# - 실무에서는 같은 필터로 먼저 목록을 보고, 레이블로 좁히고, 필터 없이는 cron에 넣지 않습니다.
#
# *이어지는 질문:* "`system prune --volumes`는요?" 그냥 `prune`과 규칙은 같지만, 그 전에 멈춘 컨테이너를 모두 지우므로 쓰이지 않는 볼륨이
# 더 생깁니다.
# </details>
#
# **3. 두 컨테이너가 볼륨으로 데이터를 공유합니다. 무엇이 잘못될 수 있습니까?**
#
# <details><summary>좋은 답에 들어가는 것</summary>
#
# - 디렉터리 하나이므로 즉시 공유됩니다(`use` 표의 `reads` 열). 그리고 잠금이 없습니다.
# - uid가 다르면 한쪽이 쓴 것을 다른 쪽이 읽지 못할 수 있습니다. 읽기만 하는 쪽에는 `:ro`를 줍니다.
# - 한 호스트 안에서만 됩니다. `local` 드라이버는 다른 머신으로 옮겨 간 컨테이너를 따라가지 않습니다.
#
# *이어지는 질문:* "두 호스트에 있다면요?" 볼륨 뒤에 네트워크 파일 시스템을 두거나, 파일을 공유하지 않도록 설계합니다.
# </details>

# %% [markdown] lang="en"
# ## In short
#
# | question | answer, by your own table |
# |---|---|
# | What may a name be? | `names`: two characters or more, no slash |
# | What is "in use"? | `remove`: any container refers to it, running or not |
# | What does `prune` take? | `prune`: ask the version first |
# | What is dangling? | `filters`: unreferenced, named or not |
# | What does sharing give? | `use`: one directory, no locks |
#
# The last cell removes what you made in this chapter.

# %% [markdown] lang="ko" of="116a60f5"
# ## 정리
#
# | 질문 | 내 표로 보는 답 |
# |---|---|
# | 이름의 규칙은? | `names`: 두 글자 이상, 슬래시는 안 됨 |
# | "사용 중"이란? | `remove`: 실행 여부와 상관없이 컨테이너가 참조함 |
# | `prune`이 지우는 것은? | `prune`: 버전부터 확인 |
# | dangling이란? | `filters`: 이름이 있든 없든 참조하는 컨테이너가 없음 |
# | 공유하면 무엇을 얻나? | `use`: 디렉터리 하나, 잠금은 없음 |
#
# 마지막 셀은 이 장에서 만든 것을 지웁니다.

# %%
exercises.clear(client)
