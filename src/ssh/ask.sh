# What became of a run, from its marker.
take
marker=$base/runs/$value
if [ ! -e "$marker" ]; then
    find_places
    for place in $places; do
        if [ -e "$place/runs/$value" ] && is_ours "$place"; then marker=$place/runs/$value; fi
    done
fi
# It never began, and what is said is so from now on: an order that comes late finds its name taken.
umask 077
[ -d "$base/runs" ] || mkdir -p "$base/runs" 2>/dev/null
set -C
if { printf "" >"$marker"; } 2>/dev/null; then
    { printf "order - 0 0 %s\nend never\n" "$boot" >>"$marker"; } 2>/dev/null || rm -f "$marker"
fi
set +C
[ -e "$marker" ] || {
    say fate never
    exit
}
read_marker() {
    keeper= began= end= then=
    while read -r word first second rest; do
        case $word in
        order)
            keeper=$second
            set -- $rest
            keeper_start=$1 then=$2
            ;;
        began)
            began=$first
            began_start=$second
            ;;
        end) end="$first $second" ;;
        esac
    done <"$marker"
}
# It is made a moment before its first line is there; where that is all, nothing is known.
tries=20
read_marker
while [ -z "$then" ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep .1 2>/dev/null || sleep 1
    read_marker
done
[ -n "$then" ] || exit 1
alive=
if [ -n "$then" ] && [ "$then" = "$boot" ]; then
    if is_alive "$keeper" "$keeper_start"; then alive=yes; fi
    if [ -n "$began" ] && is_alive "$began" "$began_start"; then alive=yes; fi
fi
# Only now: whoever was gone had written all that was to be written.
read_marker
case $end in
"never "*) say fate never ;;
?*) say fate ended "$end" ;;
*)
    # An order that is still waiting for a lock may begin.
    if [ -n "$alive" ]; then
        say fate running "$(date -r "$marker" +%s)"
    elif [ -z "$began" ]; then
        say fate never
    else
        say fate gone
    fi
    ;;
esac
