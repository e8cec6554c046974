#!/bin/bash
# Behaves as the official image's entrypoint does where users can tell: variables, messages, order, files.
set -Eeuo pipefail
shopt -s nullglob

# NAME, or the content of the file that NAME_FILE names, or the default; both at once is a mistake.
read_setting() {
  local name=$1 default=${2:-} file_variable=$1_FILE
  if [ -n "${!name:-}" ] && [ -n "${!file_variable:-}" ]; then
    echo >&2 "error: both $name and $file_variable are set (but are exclusive)"
    exit 1
  fi
  if [ -n "${!file_variable:-}" ]; then
    printf -v "$name" %s "$(<"${!file_variable}")"
  else
    printf -v "$name" %s "${!name:-$default}"
  fi
  export "${name?}"
  unset "$file_variable"
}

take_data_directory_and_drop_root() {
  mkdir -p "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  chmod 3777 /run/postgresql
  find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres:postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all "$0" "$@"
}

require_password() {
  [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ] || return 0
  cat >&2 <<'END'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is *not* recommended.
END
  exit 1
}

query() { PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" "$@"; }

run_init_file() {
  local file=$1
  case $file in
    *.sh)
      if [ -x "$file" ]; then
        echo "$0: running $file"
        "$file"
      else
        echo "$0: sourcing $file"
        # shellcheck source=/dev/null
        . "$file"
      fi
      ;;
    *.sql) echo "$0: running $file" && query --dbname "$POSTGRES_DB" --file "$file" ;;
    *.sql.gz) echo "$0: running $file" && gzip -dc "$file" | query --dbname "$POSTGRES_DB" ;;
    *.sql.xz) echo "$0: running $file" && xz -dc "$file" | query --dbname "$POSTGRES_DB" ;;
    *.sql.zst) echo "$0: running $file" && zstd -dc "$file" | query --dbname "$POSTGRES_DB" ;;
    *) echo "$0: ignoring $file" ;;
  esac
}

initialize() {
  local file zone=()
  # Not told, initdb compares every zone there is with the system's, which without this file is UTC.
  [ -n "${TZ:-}" ] || [ -e /etc/localtime ] || zone=(env TZ=Etc/UTC)
  # POSTGRES_INITDB_ARGS is a line of shell words, as in the official image.
  eval "${zone[*]} initdb --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # Only through the socket: nobody outside shall find a half-made database "ready".
  pg_ctl --wait -o "-c listen_addresses=''" start
  [ "$POSTGRES_DB" = postgres ] || query --dbname postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
  for file in /docker-entrypoint-initdb.d/*; do run_init_file "$file"; done
  pg_ctl --wait --mode=fast stop
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
  [ "$(id -u)" != 0 ] || take_data_directory_and_drop_root "$@"
  if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\n%s\n\n' 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
  else
    read_setting POSTGRES_PASSWORD
    read_setting POSTGRES_USER postgres
    read_setting POSTGRES_DB "$POSTGRES_USER"
    read_setting POSTGRES_INITDB_ARGS
    read_setting POSTGRES_HOST_AUTH_METHOD
    require_password
    initialize
    printf '\n%s\n\n' 'PostgreSQL init process complete; ready for start up.'
  fi
fi
exec "$@"
