# What a host has of all that is needed.
take
count=$value
while [ "$count" -gt 0 ]; do
    take
    set -- "$@" "$value"
    count=$((count - 1))
done
umask 077
say clock "$(date +%s)"
uptime
say uptime "$now"
say boot "$boot"
say user "$(id -un)"
for tool in setsid timeout flock mkfifo head tr sed; do
    find_program "$tool" "$PATH" || say missing "$tool"
done
say state "$base"
# Or where it is going to be made.
place=$base
while [ ! -d "$place" ] && [ -n "$place" ]; do place=${place%/*}; done
if [ -w "${place:-/}" ]; then
    # The fourth field of the last line: what is free, in KiB.
    df -Pk "${place:-/}" | {
        while read -r line; do last=$line; done
        set -- $last
        say free "$4"
    }
fi
if [ "$#" -gt 0 ]; then
    if timeout 10 "$@" /bin/sh -c : </dev/null >/dev/null; then say become yes; else say become no; fi
fi
say done
