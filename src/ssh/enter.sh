# The beginning of everything that is executed on a host, and after it one of the other texts here. POSIX sh: dash,
# busybox and bash. Executed as: sh -c EVAL offhours TEXT [NONCE PHASE], TEXT being all of this. No apostrophe and no
# two backslashes beside each other outside comments (which are not sent): login shells quote differently.
#
# Standard input is the order, a value a line, for printf %b; kept open afterwards, it is the lifeline. Standard error
# has our own words, each after the nonce of this order; whatever else is said there is noise of the host.
say() {
    # Whatever was printed before without an end of its line.
    printf "\n%s %s\n" "$nonce" "$*" >&2
}
refuse() {
    say error "$*"
    exit 125
}
# The next value. The shell reads no further than the line; an order that breaks off is none. A backslash in it begins
# an escape, \0 and three digits.
take() {
    IFS= read -r value || exit 125
    case $value in
    *"\0"*)
        value=$(printf "%bx" "$value")
        value=${value%x}
        ;;
    esac
}
if [ -z "${3-}" ]; then
    # As the one who logged in: become who is wanted, if anybody else is.
    set -- "$1"
    IFS= read -r nonce || exit 125
    take
    count=$value
    while [ "$count" -gt 0 ]; do
        take
        set -- "$@" "$value"
        count=$((count - 1))
    done
    if [ "$#" -gt 1 ]; then
        text=$1
        shift
        set -- "$@" /bin/sh -c "eval \"\$1\"" offhours "$text" "$nonce" known
        exec "$@"
    fi
    set -- "$1" "$nonce" known
fi
if [ "$3" = known ]; then
    # Of what the login brought along nothing goes on but this.
    exec env -i "PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}" "HOME=${HOME:-/}" \
        "USER=${USER:-${LOGNAME:-$(id -un)}}" "LANG=${LANG:-C.UTF-8}" \
        ${XDG_STATE_HOME:+"XDG_STATE_HOME=$XDG_STATE_HOME"} \
        /bin/sh -c "eval \"\$1\"" offhours "$1" "$2" clean
fi
nonce=$2
# What it takes for numbers of processes and for built in is not what others do.
[ -z "${KSH_VERSION-}" ] || refuse "/bin/sh is a Korn shell there: it must be dash, bash or busybox"
set --
LC_ALL=C
# A handler, and not ignored: what is started from here has the default again.
trap : HUP PIPE
base=${XDG_STATE_HOME:-${HOME%/}/.local/state}/offhours
unset XDG_STATE_HOME
boot=unknown
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
# Seconds since boot, in $now: no clock that somebody sets.
uptime() {
    read -r now _ </proc/uptime
    now=${now%%.*}
}
# Other places for what a run keeps, where none can be kept in $base, in $places: in folders in which others may make
# things, too, but cannot replace ours.
find_places() {
    user=$(id -u)
    places="/run/user/$user/offhours /dev/shm/offhours.$user /tmp/offhours.$user /var/tmp/offhours.$user"
}
# Whether a folder, itself and no link to it, is ours alone. What others may write in is sticky.
is_ours() { # FOLDER
    owned_by "${1%/*}" && case $mode in
    d????????[tT]* | d????-??-*) ;;
    *) return 1 ;;
    esac
    owned_by "$1" && case $mode in
    drwx------*) [ "$owner" = "$user" ] ;;
    *) return 1 ;;
    esac
}
owned_by() { # FOLDER
    mode= owner=
    set -- $(ls -ldn -- "$1" 2>/dev/null)
    mode=${1-} owner=${3-}
    [ "$owner" = 0 ] || [ "$owner" = "$user" ]
}
# When a process was started, in $start: with it a number that was given again is told from the old one.
start_of() {
    start=
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${stat##*) }
    shift 19
    start=$1
}
is_alive() { # PID START
    start_of "$1" && [ "$start" = "$2" ]
}
# Where a program is, in $found.
find_program() {
    found=
    case $1 in
    */*)
        [ -f "$1" ] && [ -x "$1" ] && found=$1
        ;;
    *)
        oldifs=$IFS
        IFS=:
        for place in $2; do
            [ -n "$place" ] && [ -f "$place/$1" ] && [ -x "$place/$1" ] && found=$place/$1 && break
        done
        IFS=$oldifs
        ;;
    esac
    [ -n "$found" ]
}
say ready
