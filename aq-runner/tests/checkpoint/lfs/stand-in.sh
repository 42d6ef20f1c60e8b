#!/bin/sh
# Stands in for git-lfs where that is not installed: the same pointers, the same places of contents, and a remote
# on this machine. It writes down how it is called.
set -eu
here=$(git rev-parse --path-format=absolute --git-common-dir)
store=$(git config lfs.storage || echo lfs)
case $store in /*) ;; *) store=$here/$store ;; esac
[ -z "${AQ_STAND_IN_LOG-}" ] || echo "$*" >>"$AQ_STAND_IN_LOG"
verb=$1
shift

at() { # STORE OID
    echo "$1/objects/$(echo "$2" | cut -c1-2)/$(echo "$2" | cut -c3-4)/$2"
}

copy() { # STORE STORE OID
    from=$(at "$1" "$3") to=$(at "$2" "$3")
    [ -f "$from" ] || return 1
    mkdir -p "$(dirname "$to")"
    cp "$from" "$to"
}

of_remote() { # REMOTE
    case $1 in
    file://*) echo "${1#file://}/lfs" ;;
    *) echo "$(git config "remote.$1.url")/lfs" ;;
    esac
}

oid_in() { # FILE
    head -c 1023 "$1" | tr -d '\0' | sed -n '1{/^version https:\/\/git-lfs/!q};s/^oid sha256://p'
}

case $verb in
clean)
    file=$(mktemp)
    cat >"$file"
    if [ -n "$(oid_in "$file")" ]; then
        cat "$file"
    else
        oid=$(sha256sum <"$file" | cut -d' ' -f1)
        mkdir -p "$(dirname "$(at "$store" "$oid")")"
        cp "$file" "$(at "$store" "$oid")"
        printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$oid" "$(wc -c <"$file" | tr -d ' ')"
    fi
    rm "$file"
    ;;
smudge)
    file=$(mktemp)
    cat >"$file"
    oid=$(oid_in "$file")
    if [ -z "$oid" ]; then
        cat "$file"
        exit
    fi
    lender=$(cat "$here/objects/info/alternates" 2>/dev/null | head -n 1 || true)
    [ -f "$(at "$store" "$oid")" ] || copy "${lender%/objects}/lfs" "$store" "$oid" ||
        copy "$(of_remote origin)" "$store" "$oid" || {
        echo "the stand-in has no content $oid" >&2
        exit 2
    }
    cat "$(at "$store" "$oid")"
    ;;
push)
    [ "$1" = --object-id ]
    remote=$(of_remote "$2")
    shift 2
    for oid; do
        copy "$store" "$remote" "$oid"
    done
    ;;
fetch)
    remote=$(of_remote "$1")
    git ls-tree -r "$2" | while read -r _ _ blob _; do
        file=$(mktemp)
        git cat-file blob "$blob" >"$file"
        oid=$(oid_in "$file")
        rm "$file"
        [ -z "$oid" ] || copy "$remote" "$store" "$oid" || true
    done
    ;;
esac
