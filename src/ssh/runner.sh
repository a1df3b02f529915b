# Runs a command so that nothing of it is left when its lifeline is cut.
#
#   this shell           waits; says the last word; the keeper in the marker
#     |- lifeline        reads standard input to its end; then TERM, and KILL after the grace
#     `- timeout         leads a session of its own: the group of the job
#          `- the job
#   watch                nobody here is its parent: sees that timeout ended, ends what the job left behind
#
# Descriptors: 4 is the standard output of the channel, 7 and 9 are the pipe by which the watch sees that timeout has
# ended, 3 is the lifeline and then, with 5 to 9, a lock. The job has none of them.
#
# Every process costs a host more than all else here, so that what happens on each run is done by the shell itself.
umask_of_login() {
    { read -r _ && read -r name mask; } </proc/self/status
    [ "$name" = Umask: ] || mask=$(umask)
}
take
run=$value
take
bound=$value
take
grace=$value
take
patience=$value
take
mask=$value
[ -n "$mask" ] || umask_of_login
umask 077
take
regardless=$value
take
dir=$value
take
locks=$value
count=0
while [ "$count" -lt "$locks" ]; do
    count=$((count + 1))
    take
    case $value in
    /*) ;;
    *) value=$base/locks/$value ;;
    esac
    eval "lock$count=\$value"
done
take
variables=$value
take
words=$value
count=$((variables + words))
while [ "$count" -gt 0 ]; do
    take
    set -- "$@" "$value"
    count=$((count - 1))
done
take
size=$value

for tool in setsid timeout flock mkfifo head tr sed; do
    find_program "$tool" "$PATH" || refuse "$tool is missing on the host"
    eval "at_$tool=\$found"
done
# In busybox it is the job that goes on as this process, and a child of it keeps the time, with all that is open.
poll=
if [ -L "$at_timeout" ] || [ "$at_timeout" -ef "$at_setsid" ]; then poll=yes; fi
# A folder of this run, where it needs one.
owned=
make_own() {
    mkdir "$own" && owned=yes
}
tidy() {
    [ -z "$owned" ] || rm -rf "$own"
}
start_of "$$"
keeper=$start
first_line() {
    IFS= read -r line
    printf "%s" "$line"
}
# Whatever was made of this run goes, and the reason comes into $why: a shell does not say why something cannot be
# written, or not to whom it should.
undo() {
    room=4096
    [ "$size" = - ] || room=$((room + size))
    why=$({ head -c "$room" /dev/zero >"$own.try"; } 2>&1 | first_line)
    rm -rf "$own" "$own.try"
    [ "$made" != 0 ] || rm -f "$marker"
    owned=
    false
}
# What a run needs in $base; false, with the reason in $why, where it cannot be had there.
prepare() {
    own=$base/tmp/$nonce
    marker=$base/runs/$run
    made=1
    if ! [ -d "$base/locks" ] || ! [ -d "$base/runs" ] || ! [ -d "$base/tmp" ]; then
        why=$(mkdir -p "$base/locks" "$base/runs" "$base/tmp" 2>&1 | first_line)
        [ -z "$why" ] || return
    fi
    set -C
    { printf "" >"$marker"; } 2>/dev/null
    made=$?
    set +C
    if [ "$made" != 0 ]; then
        [ ! -e "$marker" ] || refuse "that run was ordered before"
        undo || return
    fi
    { printf "%s\n" "order $nonce $$ $keeper $boot" >>"$marker"; } 2>/dev/null || undo || return
    [ "$size" != - ] || return 0
    make_own 2>/dev/null || undo || return
    # The script can be read only once: where there are other places, it is tried before.
    [ -n "$regardless" ] || return 0
    { head -c "$size" /dev/urandom >"$own/script"; } 2>/dev/null || undo || return
    may_execute || undo || return
}
may_execute() {
    chmod 700 "$own/script" && [ -x "$own/script" ] && return
    why="nothing there may be executed"
    false
}
# Leaving does not wait until somebody makes room.
prepare_elsewhere() {
    first=$base days=0
    for base in $places; do
        mkdir "$base" 2>/dev/null
        is_ours "$base" && prepare && return
    done
    base=$first
    false
}
if [ -n "$regardless" ]; then
    find_places
    for place in $places; do
        [ ! -e "$place/runs/$run" ] || ! is_ours "$place" || refuse "that run was ordered before"
    done
    prepare || {
        reason=$why
        prepare_elsewhere || refuse "cannot write in $base${reason:+: $reason}, nor in $places"
    }
else
    prepare || refuse "cannot write in $base${why:+: $why}"
fi
if [ "$size" != - ]; then
    why=
    { head -c "$size" >"$own/script"; } 2>/dev/null && [ "$(($(wc -c <"$own/script")))" = "$size" ] && may_execute || {
        [ -n "$why" ] || undo
        rm -rf "$own"
        refuse "the script did not arrive whole, or is not to be executed in $base${why:+: $why}"
    }
fi

held=0
# Free before the end is told: whoever hears of it may start the next run.
unlock() {
    count=0
    while [ "$count" -lt "$held" ]; do
        count=$((count + 1))
        eval "file=\$lock$count"
        case $file in
        "$base"/*) { printf "" >"$file"; } 2>/dev/null ;;
        esac
    done
    exec 3>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}
# Nothing was begun, and nothing is left.
leave() { # WORD...
    printf "end never\n" >>"$marker"
    tidy
    kill -s KILL "$lifeline" 2>/dev/null
    unlock
    [ "$#" = 0 ] || say "$@"
    exit 125
}
# The processes whose environment has the mark of this order, in $members: among these, or all there are.
find_members() { # [FILE...]
    [ "$#" -gt 0 ] || set -- /proc/[0-9]*/environ
    # Not every grep looks behind a NUL. One that does finds its own mark.
    hits=$(LC_ALL=C OFFHOURS_GREP=$nonce grep -lF -e "OFFHOURS_REMOTE=$nonce" -e "OFFHOURS_GREP=$nonce" \
        "$@" /proc/self/environ 2>/dev/null)
    members=
    case $hits in
    */proc/self/environ)
        for hit in ${hits%/proc/self/environ}; do
            hit=${hit#/proc/}
            members="$members ${hit%/environ}"
        done
        ;;
    *)
        members=$(head -c 1048576 "$@" 2>/dev/null | tr "\000" "\n" |
            sed -n -e "/^==> /h" -e "/^OFFHOURS_REMOTE=$nonce\$/{x;s,^==> /proc/,,;s,/environ <==\$,,;p;x;}")
        ;;
    esac
}
# To the group, and to the members outside it; false if there is no member. A process that stands still is woken.
signal_all() { # SIGNAL GROUP [FILE...]
    signal=$1
    whole=$2
    shift 2
    find_members "$@"
    found=
    for member in "-$whole" $members; do
        if [ "$member" != "-$whole" ]; then
            found=$member
            group_of "$member"
            [ "$its_group" != "$whole" ] || continue
        fi
        [ "$member" = - ] || kill -s "$signal" -- "$member" && kill -s CONT -- "$member"
    done 2>/dev/null
    [ -n "$found" ]
}
# A process that begins during a look at all, or is just becoming another program, is not seen by it. It is younger than
# the group: those are looked at once more, and where there are none, none was missed.
signal_rest() { # SIGNAL GROUP
    signal_all "$1" "$2" && return
    younger=$(
        IFS= read -r stat </proc/self/stat
        last=${stat%% *}
        set -- "$1" "$2" ${stat##*) }
        if [ "$last" -lt "$2" ] || [ "$((last - $2))" -gt 1000 ]; then
            # Too many, or the numbers began again.
            printf "all"
            exit
        fi
        at=$2
        while at=$((at + 1)) && [ "$at" -lt "$last" ]; do
            # Neither this nor the shell that waits for it.
            [ ! -e "/proc/$at/environ" ] || [ "$at" = "$4" ] || printf "/proc/%s/environ " "$at"
        done
    )
    case $younger in
    "") return 1 ;;
    all) signal_all "$1" "$2" ;;
    *) signal_all "$1" "$2" $younger ;;
    esac
}
group_of() {
    its_group=
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
    set -- ${stat##*) }
    its_group=$3
}
# False once it has ended, collected or not.
runs() {
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
    set -- ${stat##*) }
    case $1 in
    Z | X) return 1 ;;
    esac
}
doze() {
    sleep .1 2>/dev/null || sleep 1
}

# Of the job, once it has begun.
find_group() {
    group=
    { while read -r word value rest; do [ "$word" != began ] || group=$value; done <"$marker"; } 2>/dev/null
}

exec 3<&0 4>&1 </dev/null
trap stop=1 TERM
stop=
(
    trap : HUP PIPE
    trap - TERM
    # Nothing more is said to us: this returns at the end of the file.
    while IFS= read -r value; do :; done
    kill -s TERM "$$"
    find_group
    # What comes between a look at stop and a wait is not heard: said again until something has begun, or is over.
    while [ -z "$group" ] && is_alive "$$" "$keeper"; do
        doze
        kill -s TERM "$$" 2>/dev/null
        find_group
    done
    signal_all TERM "$group"
    uptime
    limit=$((now + grace))
    while uptime && [ "$now" -lt "$limit" ]; do doze; done
    # Until this shell ends us, or is gone and so is everything else.
    while signal_all KILL "$group" || is_alive "$$" "$keeper"; do doze; done
) <&3 4>&- >/dev/null 2>&1 &
lifeline=$!
exec 3<&-

holder() {
    printf "%s " "${file##*/}"
    head -c 300 "$file" 2>/dev/null | tr "\n" " "
}
uptime
limit=$((now + patience))
for fd in 3 5 6 8 7 9; do
    [ "$held" -lt "$locks" ] || break
    eval "file=\$lock$((held + 1))"
    # An exec that cannot open its file would end the shell, but for `command`.
    eval "command exec $fd<>\"\$file\"" 2>/dev/null || leave error "cannot open the lock file $file"
    "$at_flock" -n "$fd" 2>/dev/null
    code=$?
    uptime
    if [ "$code" = 1 ] && [ "$now" -lt "$limit" ]; then
        say waits "$(holder)"
        "$at_timeout" "$((limit - now))" "$at_flock" "$fd" 2>/dev/null 4>&- &
        waiting=$!
        wait "$waiting"
        code=$?
        [ -z "$stop" ] || kill -s TERM "$waiting" 2>/dev/null
        # Whatever ended the wait: it was held.
        [ "$code" = 0 ] || code=1
    fi
    [ -z "$stop" ] || break
    case $code in
    0) held=$((held + 1)) ;;
    1) leave busy "$(holder)" ;;
    *) leave error "cannot lock $file" ;;
    esac
    # For people; a file elsewhere may be anything.
    case $file in
    "$base"/*) printf "%s\n" "run $run" >"$file" ;;
    esac
done
[ -z "$stop" ] || leave error "it was stopped before it began"
# Where the last locks have the descriptors, or a text is no pipe in this shell, the pipe needs a name.
pipe=
if [ -z "$poll" ] && [ "$held" -le 4 ]; then
    exec 9<<_

_
    read -r value <&9
    if [ -p /proc/self/fd/9 ] && { command exec 7>/proc/self/fd/9; } 2>/dev/null; then
        pipe=yes
        exec 7>&-
    else
        exec 9<&-
    fi
fi
if [ -z "$poll$pipe" ]; then
    [ -n "$owned" ] || make_own && mkfifo "$own/ended" || leave error "cannot make a pipe in $own"
fi
watch() {
    trap : HUP PIPE
    if [ -n "$poll" ]; then
        while runs "$group"; do doze; done
    elif [ -n "$pipe" ]; then
        exec 7>&-
        IFS= read -r value <&9
        exec 9<&-
    else
        IFS= read -r value <"$own/ended"
    fi
    # Not collected yet: its status says more than a shell does.
    stat=
    { IFS= read -r stat <"/proc/$group/stat"; } 2>/dev/null
    status=${stat##* }
    if signal_rest TERM "$group"; then
        uptime
        limit=$((now + grace))
        while uptime && [ "$now" -lt "$limit" ] && find_members && [ -n "$members" ]; do doze; done
        while signal_rest KILL "$group"; do doze; done
    fi
    printf "%s\n" "status $status"
}

uptime
began=$now
heard=$(
    fail() {
        printf "error %s" "$*"
        exit 125
    }
    trap - TERM HUP PIPE
    # This very process, which timeout is going to be.
    start_of self
    group=${stat%% *}
    cd -- "${dir:-$HOME}" 2>/dev/null || fail "cannot enter the folder ${dir:-$HOME}"
    path=$PATH
    rest=$variables
    for value in "$@"; do
        [ "$rest" -gt 0 ] || break
        rest=$((rest - 1))
        case $value in
        (PATH=*) path=${value#PATH=} ;;
        esac
    done
    program=$own/script
    if [ "$size" = - ]; then
        rest=$variables
        for program in "$@"; do
            [ "$rest" -gt 0 ] || break
            rest=$((rest - 1))
        done
        find_program "$program" "$path" || fail "there is no program $program that may be executed"
        program=$found
    fi
    printf "%s\n" "began $group $start" >>"$marker" || fail "cannot write $marker"
    # A host that loses its power must not forget that it began.
    sync "$marker" "$base/runs" 2>/dev/null
    # Once this process is gone, however far it came, the watch is told. That must be no child of a job.
    if [ -n "$poll" ]; then
        (watch </dev/null 2>/dev/null 4>&- &)
    else
        [ -z "$pipe" ] || exec 7>/proc/self/fd/9
        watch </dev/null 2>/dev/null 4>&- &
        if [ -n "$pipe" ]; then exec 9<&-; else exec 7>"$own/ended"; fi
    fi
    printf "began\n"
    say began "$group" "$boot"
    umask "$mask"
    # From here on the variables are those of the job.
    __offhours_grace=$grace __offhours_bound=$bound __offhours_program=$program
    __offhours_setsid=$at_setsid __offhours_timeout=$at_timeout __offhours_rest=$variables
    __offhours_run=$run __offhours_nonce=$nonce
    unset LC_ALL OLDPWD
    while [ "$__offhours_rest" -gt 0 ]; do
        export "$1"
        shift
        __offhours_rest=$((__offhours_rest - 1))
    done
    shift
    export "OFFHOURS_RUN=$__offhours_run" "OFFHOURS_REMOTE=$__offhours_nonce"
    exec "$__offhours_setsid" "$__offhours_timeout" -k "$__offhours_grace" "$__offhours_bound" \
        /bin/sh -c "exec 7>&-; exec \"\$@\"" offhours "$__offhours_program" "$@" \
        >&4 2>&4 4>&- 3>&- 5>&- 6>&- 8>&- 9>&-
)
code=$?
uptime
case $heard in
began*) ;;
?*) leave "$heard" ;;
*) leave error "it could not be begun" ;;
esac
kill -s KILL "$lifeline" 2>/dev/null
# A bash says that it was killed, unless it is waited for.
wait "$lifeline" 2>/dev/null

# The shell has 128 + N for signal N, which a program may return as well; the status that was seen tells them apart.
status=${heard##* }
if [ "$((now - began))" -ge "$bound" ] && { [ "$code" = 124 ] || [ "$code" -gt 128 ]; }; then
    end=timeout
elif [ "$code" -gt 128 ] && [ "$status" != "$((code << 8))" ]; then
    end="signal $((code - 128))"
else
    end="exit $code"
fi
printf "%s\n" "end $end" >>"$marker"
tidy
unlock
say "$end"
exec >/dev/null 2>&1 4>&-
# Once a day what is old goes.
tidied= then=
{ read -r tidied then <"$base/tidied"; } 2>/dev/null
if [ "$then" != "$boot" ] || [ "$now" -lt "$tidied" ] || [ "$((now - tidied))" -ge 86400 ]; then
    printf "%s\n" "$now $boot" >"$base/tidied"
    find "$base/runs" "$base/tmp" -mindepth 1 -maxdepth 1 -mtime "+${days-30}" -exec rm -rf {} +
fi
exit "$code"
