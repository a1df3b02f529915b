# Which of these programs are not here, and which of them others could change. The order: how many; of each its folder,
# PATH and name. Said is the place in the order, from 0.
set -f
me=$(id -u)
# What others could do with this itself, in $open; empty for nothing.
look() { # PATH
    open=
    set -- "$1" $(ls -ldn -- "$1" 2>/dev/null)
    case ${2:-} in
    "")
        open="$1 cannot be looked at"
        return
        ;;
    # A link has no mode of its own, and in a sticky folder nobody replaces what is not his.
    l* | d????????[tT]*) ;;
    ?????w* | ????????w*)
        open="$1 can be written by others ($2)"
        return
        ;;
    esac
    [ "$4" = 0 ] || [ "$4" = "$me" ] || open="$1 belongs to the user $4, who could change it"
}
# The same of every folder on the way.
look_along() { # PATH
    at=$1
    while look "$at" && [ -z "$open" ] && [ "$at" != / ]; do
        at=${at%/*}
        at=${at:-/}
    done
}
take
count=$value
number=0
while [ "$number" -lt "$count" ]; do
    take
    dir=${value:-$HOME}
    take
    path=${value:-$PATH}
    take
    if ! cd -- "$dir" 2>/dev/null; then
        say folder "$number"
    elif [ -n "$value" ] && ! find_program "$value" "$path"; then
        say missing "$number"
    elif [ -n "$value" ]; then
        case $found in
        /*) ;;
        *) found=$PWD/$found ;;
        esac
        look_along "$found"
        # Each link on the way, too: who can change one decides what is run.
        hops=40
        while [ -z "$open" ] && [ -L "$found" ] && [ "$hops" -gt 0 ]; do
            hops=$((hops - 1))
            target=$(readlink -- "$found")
            case $target in
            /*) found=$target ;;
            *) found=${found%/*}/$target ;;
            esac
            look_along "$found"
        done
        if [ -z "$open" ] && real=$(readlink -f -- "$found" 2>/dev/null) && [ -n "$real" ]; then look_along "$real"; fi
        [ -z "$open" ] || say open "$number" "$open"
    fi
    number=$((number + 1))
done
say done
