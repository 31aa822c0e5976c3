# Starts a PostgreSQL server of its own, on a socket in a temporary folder, for the store's tests:
# sets DEPTHPROF_TEST_POSTGRES, and ends the server with the shell. Sourced by .ci/run.
# Where there is none and none can be installed it says so, and those tests are skipped by name.

PATH="$PATH:/usr/sbin:/sbin" # runuser is there

postgres_bin() {
    find /usr/lib/postgresql /usr/local/pgsql -maxdepth 3 -name initdb -printf '%h\n' 2>/dev/null |
        sort -V | tail -1 || true
}

as_postgres() { # a server refuses to run as root
    if [ "$(id -u)" = 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

start_postgres() {
    local bin
    if [ -z "$(postgres_bin)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >/dev/null 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null 2>&1 || true
    fi
    bin="$(postgres_bin)"
    if [ -z "$bin" ]; then
        echo "no PostgreSQL server here: the store's tests on one are skipped" >&2
        return 0
    fi
    POSTGRES_FOLDER="$(mktemp -d)"
    [ "$(id -u)" != 0 ] || chown postgres "$POSTGRES_FOLDER"
    chmod 755 "$POSTGRES_FOLDER"
    if as_postgres "$bin/initdb" -D "$POSTGRES_FOLDER/data" -U depthprof -A trust >/dev/null 2>&1 &&
        as_postgres "$bin/pg_ctl" -D "$POSTGRES_FOLDER/data" -w -l "$POSTGRES_FOLDER/log" \
            -o "-k $POSTGRES_FOLDER -c listen_addresses='' -c fsync=off" start >/dev/null; then
        export DEPTHPROF_TEST_POSTGRES="postgresql://depthprof@/postgres?host=$POSTGRES_FOLDER"
        POSTGRES_BIN="$bin"
        trap 'as_postgres "$POSTGRES_BIN/pg_ctl" -D "$POSTGRES_FOLDER/data" -m immediate stop >/dev/null; rm -rf "$POSTGRES_FOLDER"' EXIT
    else
        echo "the PostgreSQL server did not start: the store's tests on one are skipped" >&2
        rm -rf "$POSTGRES_FOLDER"
    fi
}

start_postgres
