#!/bin/bash
# machine.sh up NAME IP | in NAME CMD… | reset NAME | off NAME
# A machine with real systemd as PID 1, over an overlay of $LAB/rootfs, booted in about half a second.
# Once:  LAB=DIR machine.sh base      (mmdebstrap, ~20 s)   and   machine.sh bridge  (br0, 10.99.0.1/24)
set -eu
LAB=${LAB:?a folder for the lab}
case $1 in
base)
  [ -d "$LAB/rootfs/etc" ] || mmdebstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,openssh-server,iproute2,procps,tzdata,ca-certificates,sudo bookworm "$LAB/rootfs"
  echo uninitialized >"$LAB/rootfs/etc/machine-id"
  exit ;;
bridge)
  ip link show br0 >/dev/null 2>&1 || { ip link add br0 type bridge; ip addr add 10.99.0.1/24 dev br0; ip link set br0 up; }
  exit ;;
esac
name=$2 box=$LAB/machines/$2 cg=/sys/fs/cgroup/unified/$2
case $1 in
up)
  mkdir -p "$box"/{up,work,root} "$cg"
  mountpoint -q "$box/root" || mount -t overlay overlay -o "lowerdir=$LAB/rootfs,upperdir=$box/up,workdir=$box/work" "$box/root"
  echo "$name" >"$box/root/etc/hostname"
  mkdir -p "$box/root/etc/systemd/network" "$box/root/etc/systemd/system/multi-user.target.wants"
  printf '[Match]\nName=host0\n[Network]\nAddress=%s/24\n' "$3" >"$box/root/etc/systemd/network/10-lab.network"
  ln -sf /lib/systemd/system/systemd-networkd.service "$box/root/etc/systemd/system/multi-user.target.wants/"
  ( echo 0 >"$cg/cgroup.procs"
    exec setsid unshare -m sh -c 'mount -t tmpfs tmpfs /run; exec "$@"' sh \
      env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -D "$box/root" -M "$name" -b --network-bridge=br0 \
      --register=no --keep-unit --console=read-only </dev/null >"$box/console.log" 2>&1 ) &
  for _ in $(seq 500); do
    [ -e "$cg/payload/init.scope/cgroup.procs" ] && pid=$(head -1 "$cg/payload/init.scope/cgroup.procs") && [ -n "$pid" ] && break
    sleep .02
  done
  echo "$pid" >"$box/pid"
  until nsenter -t "$pid" -a systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep .05; done ;;
in) shift 2; exec nsenter -t "$(cat "$box/pid")" -a "$@" ;;
reset) echo 1 >"$cg/cgroup.kill"; while grep -q 'populated 1' "$cg/cgroup.events"; do sleep .02; done
  # After a power loss there are no groups: one that was killed with an ancestor would count as such (kill_seq).
  find "$cg" -mindepth 1 -depth -type d -exec rmdir {} + ;;
off) kill -RTMIN+4 "$(cat "$box/pid")"; while grep -q 'populated 1' "$cg/cgroup.events"; do sleep .02; done ;;
esac
