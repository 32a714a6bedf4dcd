# A temporary PostgreSQL server for test scripts: source this file, then call start_postgres and stop_postgres.
# Expects a function `fail MESSAGE`. Sets TEST_DATABASE_URL. Stops the server when the script ends.
# Set `postgres_settings` before to replace the default, which does not wait for the disk, and `postgres_defaults=usual`
# for a server with the defaults of PostgreSQL.
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
: "${postgres_defaults=unusual}"

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

# TLS as on every hosted server. Unusual defaults, which an operator may have chosen for other programs.
write_postgres_configuration() {
  (
    cd "$postgres_folder"
    openssl req -new -x509 -days 30 -nodes -subj /CN=localhost -out server.crt -keyout server.key 2>/dev/null
    chmod 600 server.key
    ((EUID != 0)) || chown "$postgres_user" server.crt server.key
    # The 4,096 hashes of SCRAM, at each of a test's ten connections, would be an eighth of the tests' time.
    printf '%s\n' 'hostssl all all 127.0.0.1/32 scram-sha-256' 'hostnossl all all 127.0.0.1/32 password' \
      >data/pg_hba.conf
    {
      printf "ssl = on\nssl_cert_file = '%s/server.crt'\nssl_key_file = '%s/server.key'\n" "$PWD" "$PWD"
      if [[ $postgres_defaults == unusual ]]; then
        printf '%s\n' "default_transaction_isolation = 'serializable'" "timezone = 'Asia/Kolkata'" \
          "datestyle = 'German, DMY'" "standard_conforming_strings = off"
      fi
    } >>data/postgresql.conf
  )
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
  local locale=(--locale=C)
  # Since PostgreSQL 15.
  if "$postgres_bin/initdb" --help | grep -q -e --icu-locale; then
    locale+=(--locale-provider=icu --icu-locale=sv-SE)
  fi
  as_postgres "$postgres_bin/initdb" -D "$postgres_folder/data" -U bluetick -E UTF8 "${locale[@]}" \
    --auth=scram-sha-256 --pwfile="$postgres_folder/password" --no-sync >/dev/null
  write_postgres_configuration
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
