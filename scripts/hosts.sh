#!/usr/bin/env bash
# Hosts without a cluster: network namespaces of this machine, each with an address and a name of its own, joined by
# a switch. One set of them at a time: `up` removes those that are there.
# As root, on Linux:
#
#   scripts/hosts.sh up 3            unetc-host1 to 3, with the addresses 10.77.0.1 to 10.77.0.3 on eth0, and on eth1
#                                    a network of their own that leads nowhere
#   scripts/hosts.sh on 2 COMMAND    runs it on host 2, and ends with its exit code
#   scripts/hosts.sh cut 2           pulls the cable of host 2
#   scripts/hosts.sh mend 2          puts it back
#   scripts/hosts.sh pids 2          what runs on host 2
#   scripts/hosts.sh fell 2          kills all that runs on host 2, as if it lost its power
#   scripts/hosts.sh down            removes all of them; what still runs on one goes on without a network
set -euo pipefail

switch=unetc-switch
host() { echo "unetc-host$1"; }

# What names mean on a host. `ip netns exec` puts it in the place of /etc/hosts.
names() {
  local i
  echo 127.0.0.1 localhost
  for i in $(seq "$1"); do echo "10.77.0.$i $(host "$i")"; done
}

up() {
  local i
  ip netns add "$switch"
  ip -n "$switch" link add bridge type bridge
  ip -n "$switch" link set bridge up
  for i in $(seq "$1"); do
    mkdir -p "/etc/netns/$(host "$i")"
    names "$1" > "/etc/netns/$(host "$i")/hosts"
    ip netns add "$(host "$i")"
    ip -n "$switch" link add "port$i" type veth peer name eth0 netns "$(host "$i")"
    ip -n "$switch" link set "port$i" master bridge up
    ip -n "$(host "$i")" address add "10.77.0.$i/24" dev eth0
    ip -n "$(host "$i")" link set eth0 up
    ip -n "$(host "$i")" link set lo up
    ip -n "$switch" link add "aside$i" type veth peer name eth1 netns "$(host "$i")"
    ip -n "$(host "$i")" address add "10.78.$i.1/24" dev eth1
    ip -n "$(host "$i")" link set eth1 up
  done
}

down() {
  for name in $(ip netns list | awk '/^unetc-(host[0-9]+|switch)/ { print $1 }'); do
    ip netns delete "$name"
    rm -rf "/etc/netns/$name"
  done
}

case "${1:-}" in
  up) down; up "$2" ;;
  on) i=$2; shift 2
    exec ip netns exec "$(host "$i")" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$(host "$i")" "$@" ;;
  cut) ip -n "$switch" link set "port$2" down ;;
  mend) ip -n "$switch" link set "port$2" up ;;
  pids) ip netns pids "$(host "$2")" ;;
  fell) ip netns pids "$(host "$2")" | xargs -r kill -9 ;;
  down) down ;;
  *) sed -n 's/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
