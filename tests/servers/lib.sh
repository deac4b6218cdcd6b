# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Servers to test the database hook against: the machine's own, and trees of another suite kept in
# build/servers/. Sourced. Each server gets a directory, a socket and nothing else: no network.

SERVERS_DIR=$(pwd)/build/servers
SERVER_PIDS=()

# The mirror that this machine's apt is set to, without its security archive.
servers_mirror() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1
}

# again_if_quick COMMAND...: what fetches, once more where it failed at once: a mirror's hiccup is over in a
# moment, and one that does not answer is not waited for twice.
again_if_quick() {
    local begin=$SECONDS
    ! "$@" || return 0
    [ $((SECONDS - begin)) -lt 100 ] || return 1
    sleep 10
    "$@"
}

# servers_tree NAME PACKAGES: makes $SERVERS_DIR/NAME, with these packages (a,b,…) and what they
# depend on unpacked, unless it is there. False: why on stdout.
servers_tree() {
    local tree=$SERVERS_DIR/$1 packages=$2 mirror part
    mkdir -p "$SERVERS_DIR"
    exec {servers_lock}>"$SERVERS_DIR/$1.lock"
    flock "$servers_lock" # one maker at a time, also of two test runs
    if [ "$(cat "$tree/.packages" 2>/dev/null)" = "$packages" ]; then
        exec {servers_lock}>&-
        return 0
    fi
    [ "$(id -u)" = 0 ] || { echo "needs root to make a tree"; return 1; }
    command -v mmdebstrap >/dev/null || { echo "no mmdebstrap"; return 1; }
    mirror=$(servers_mirror)
    [ -n "$mirror" ] || { echo "apt has no mirror"; return 1; }
    if ! again_if_quick servers_fetch "$tree" "$packages" "$mirror" >"$SERVERS_DIR/$1.log" 2>&1; then
        echo "the unstable suite could not be had: $(grep -m 1 '^E:' "$SERVERS_DIR/$1.log")"
        return 1
    fi
    for part in bin sbin lib lib64; do # what a merged /usr has, and unpacking alone does not make
        [ -e "$tree/$part" ] || ln -s "usr/$part" "$tree/$part"
    done
    # Logging in by the socket looks a login's name up.
    printf '%s:x:%s:%s::/:/bin/false\n' root 0 0 nobody 65534 65534 >"$tree/etc/passwd"
    mkdir -p "$tree/srv" "$tree/tmp"
    echo "$packages" >"$tree/.packages"
    exec {servers_lock}>&-
}

servers_fetch() { # TREE PACKAGES MIRROR
    rm -rf --one-file-system "$1"
    timeout 300 mmdebstrap --quiet --variant=extract --include="$2" --aptopt='Acquire::Check-Valid-Until "false"' \
        unstable "$1" "$3"
}

# server_program TREE: what to run, in the tree by chroot or (TREE "") from the machine.
server_program() {
    local tree=$1
    if [ -z "$tree" ]; then
        command -v mariadbd || echo /usr/sbin/mariadbd
    elif [ -x "$tree/usr/sbin/mariadbd" ]; then
        echo "chroot $tree /usr/sbin/mariadbd"
    else
        echo "chroot $tree /usr/sbin/mysqld"
    fi
}

# server_template TREE DIR: an empty data directory DIR (as seen from outside the tree).
server_template() {
    local tree=$1 dir=$2 inside=${2#"$1"} run share
    read -ra run <<<"$(server_program "$tree")"
    mkdir -p "$dir"
    if [ -n "$tree" ] && [ ! -x "$tree/usr/sbin/mariadbd" ]; then
        "${run[@]}" --no-defaults --initialize-insecure --user=root --datadir="$inside" \
            --tmpdir="${inside%/*}" \
            >"$dir.log" 2>&1
        return
    fi
    share=$tree/usr/share/mariadb
    [ -e "$share/mariadb_system_tables.sql" ] || share=$tree/usr/share/mysql
    {
        printf '%s;\n' "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket=NULL"
        cat "$share"/m*_system_tables.sql "$share"/m*_system_tables_data.sql
    } | "${run[@]}" --no-defaults --bootstrap --user=root --datadir="$inside" \
        --tmpdir="${inside%/*}" \
        --log-warnings=0 --enforce-storage-engine= >"$dir.log" 2>&1
}

# server_start TREE DIR OPTION…: runs a server on DIR with DIR/s.sock; waits until it answers.
# Sets SERVER_PID.
server_start() {
    local tree=$1 dir=$2 inside=${2#"$1"} run
    shift 2
    read -ra run <<<"$(server_program "$tree")"
    local common=(--no-defaults --user=root --datadir="$inside" --socket="$inside/s.sock"
        --pid-file="$inside/s.pid" --log-error="$inside/s.err" --skip-networking
        --tmpdir="$inside" --innodb-buffer-pool-size=32M)
    if [ -n "$tree" ] && [ ! -x "$tree/usr/sbin/mariadbd" ]; then
        common+=(--mysqlx=OFF --secure-file-priv=NULL)
    fi
    "${run[@]}" "${common[@]}" "$@" >/dev/null 2>&1 &
    SERVER_PID=$!
    SERVER_PIDS+=("$SERVER_PID")
    for _ in $(seq 300); do
        mariadb-admin --no-defaults -u root -S "$dir/s.sock" ping >/dev/null 2>&1 && return 0
        kill -0 "$SERVER_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start: $(tail -n 3 "$dir/s.err" 2>/dev/null)"
    return 1
}

server_stop() {
    local pid=$1
    kill -CONT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null
}

servers_stop_all() {
    local pid
    for pid in "${SERVER_PIDS[@]}"; do server_stop "$pid"; done
    SERVER_PIDS=()
}
