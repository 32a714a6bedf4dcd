# A temporary PostgreSQL server for test scripts: source this file, then call start_postgres and stop_postgres.
# Expects a function `fail MESSAGE`. Sets TEST_DATABASE_URL. Stops the server when the script ends.
# Set `postgres_settings` before to replace the default, which does not wait for the disk.
# shellcheck shell=bash

# Prints the folder of PostgreSQL's server programs, which are not on the PATH on Debian.
find_postgres() {
  local folder on_path
  on_path=$(command -v pg_ctl || true)
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse) "${on_path%/*}"; do
    if [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/postgres ]]; then
      printf '%s\n' "$folder"
      return
    fi
  done
}

postgres_bin=
postgres_folder=
# Test data need not survive a power failure.
: "${postgres_settings=-c fsync=off -c full_page_writes=off}"

# PostgreSQL refuses to run as root.
as_postgres() {
  if ((EUID == 0)); then
    (cd "$postgres_folder" && runuser -u "$postgres_user" -- "$@")
  else
    "$@"
  fi
}

stop_postgres() {
  if [[ -n $postgres_folder ]]; then
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_folder/data" -m immediate -s stop || true
    rm -rf "$postgres_folder"
    postgres_folder=
  fi
}

is_free() {
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_postgres() {
  postgres_bin=$(find_postgres)
  postgres_user=postgres
  id -u postgres >/dev/null 2>&1 || postgres_user=nobody
  postgres_folder=$(mktemp -d "${TMPDIR:-/tmp}/bluetick-postgres.XXXXXX")
  local password port attempt
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s\n' "$password" >"$postgres_folder/password"
  ((EUID != 0)) || chown -R "$postgres_user" "$postgres_folder"
  as_postgres "$postgres_bin/initdb" -D "$postgres_folder/data" -U bluetick -E UTF8 --locale=C \
    --auth=scram-sha-256 --pwfile="$postgres_folder/password" --no-sync >/dev/null
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 20000))
    is_free "$port" || continue
    if as_postgres "$postgres_bin/pg_ctl" -D "$postgres_folder/data" -l "$postgres_folder/log" -s -w -t 60 \
      -o "-p $port -h 127.0.0.1 -k '$postgres_folder' -c max_connections=300 $postgres_settings" \
      start; then
      export TEST_DATABASE_URL="postgres://bluetick:$password@127.0.0.1:$port/postgres"
      printf 'PostgreSQL %s listens on 127.0.0.1:%s\n' "$("$postgres_bin/postgres" --version | awk '{print $3}')" "$port"
      return
    fi
    printf 'port %s did not work (attempt %s)\n' "$port" "$attempt" >&2
  done
  cat "$postgres_folder/log" >&2
  fail "PostgreSQL does not start"
}

trap stop_postgres EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
