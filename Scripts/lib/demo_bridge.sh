# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables that the scripts set or use
# demo_bridge.sh: what 'Scripts/demo bridge' does. Source it after common.sh and vm.sh.

# The names and addresses of the recipe.
bridge_address=192.168.1.101
static_address=192.168.1.102
uplink_address=172.16.0.10
beyond_address=172.16.0.1

demo_bridge() {
  if [[ -z ${DEMO_CULVERT-} ]]; then
    prepare
    # A host of its own: its network, /etc and /run are not this machine's.
    local enter=(as_root unshare --net --mount)
    may_be_root || enter=(unshare --map-root-user --net --mount)
    DEMO_CULVERT=$culvert exec "${enter[@]}" env DEMO_CULVERT="$culvert" "$0" bridge
  fi
  culvert=$DEMO_CULVERT
  folder=$(mktemp -d /tmp/culvert-demo.XXXXXX)
  trap bridge_cleanup EXIT
  make_host
  host_state >"$folder/before"

  step "a bridge, by one command"
  printf '  $ culvert bridge up --uplink wlo1 --detach\n' >&2
  "$culvert" bridge up --uplink wlo1 --detach
  boot_guests
  step "who reaches whom"
  bridge_transcript
  step "culvert bridge status"
  "$culvert" bridge status
  step "and gone"
  "$culvert" bridge down
  for guest in one two; do
    use_guest $guest
    vm_timeout=1 vm 'poweroff -f' >/dev/null 2>&1 || true
    wait "$vm_pid" || true
  done
  host_state >"$folder/after"
  check "the host's links, addresses, switches and rules are as before" diff "$folder/before" "$folder/after"
  ((failures == 0)) || fail "$failures of the checks failed"
  say "all of it worked"
}

# make_host: the network of a laptop: wlo1 leads outside, to one machine.
make_host() {
  mount -t tmpfs tmpfs "$folder"
  mkdir "$folder/etc" "$folder/work" "$folder/one" "$folder/two"
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/work" /etc
  mount -t tmpfs tmpfs /run
  ip link set lo up
  # Nobody else has an address of theirs, so that it is good at once.
  echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
  ip netns add beyond
  ip link add wlo1 type veth peer name eth0 netns beyond
  ip address add "$uplink_address/24" dev wlo1
  ip link set wlo1 up
  ip -netns beyond address add "$beyond_address/24" dev eth0
  ip -netns beyond link set eth0 up
  ip route add default via "$beyond_address"
  wait_until 10 uplink_is_settled || fail "the uplink did not come up"
  # Says who has asked.
  start "$folder/beyond.log" ip netns exec beyond socat -d -d "TCP-LISTEN:80,bind=$beyond_address,fork,reuseaddr" \
    'SYSTEM:echo "$SOCAT_PEERADDR"'
  wait_until 10 grep -q "listening on" "$folder/beyond.log" || fail "the outside did not start: $(<"$folder/beyond.log")"
}

uplink_is_settled() { ip -6 route show table local | grep -q 'fe80.* dev wlo1' && ip link show wlo1 | grep -q 'state UP'; }

# host_state: everything that a bridge changes.
host_state() {
  ip -d link
  ip address
  ip route show table all
  # Some can only be written.
  { grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf 2>/dev/null || true; } | sort
  nft -s list ruleset
  cat /etc/qemu/bridge.conf 2>/dev/null || true
}

# use_guest NAME: `vm` speaks to this one.
use_guest() {
  declare -n from=from_$1 to=to_$1 pid=pid_$1
  vm_from=$from vm_to=$to vm_pid=$pid
}

boot_guests() {
  step "two guests, as the recipe starts them"
  local name hardware=52:54:00:12:34:59
  vm_launcher=()
  # The first takes no address by itself.
  vm_kernel_options=network=off
  for name in one two; do
    printf '  $ qemu-system-x86_64 -net nic,macaddr=%s -net bridge,br=bridge0 ...\n' "$hardware" >&2
    vm_boot "$folder/$name" -net "nic,model=virtio,macaddr=$hardware" -net bridge,br=bridge0
    printf -v "from_$name" %s "$vm_from"
    printf -v "to_$name" %s "$vm_to"
    printf -v "pid_$name" %s "$vm_pid"
    hardware=52:54:00:12:34:58
    vm_kernel_options=''
  done
}

# in_guest NAME SCRIPT: run it there.
in_guest() {
  use_guest "$1"
  vm "$2"
}

one_ping() { ping -c 1 -W 5 "$1" | grep -o '1 received'; }

bridge_transcript() {
  check "the first has an address of its own" in_guest one "ip link set eth0 up
    ip address add $static_address/24 dev eth0 && ip route add default via $bridge_address && echo $static_address"
  check "the second has one by DHCP" in_guest two \
    '. /run/lease && echo "$ip, domain $domain, name server $dns, for $lease s"'
  leased=$(in_guest two '. /run/lease && echo "$ip"')
  check "a guest reaches the host" in_guest one "ping -c 1 -W 5 $bridge_address | grep -o '1 received'"
  check "a guest reaches the other" in_guest one "ping -c 1 -W 5 $leased | grep -o '1 received'"
  check "the host reaches a guest" one_ping "$leased"
  check "a guest reaches the outside" in_guest two "ping -c 1 -W 5 $beyond_address | grep -o '1 received'"
  check "the outside sees the uplink's address" in_guest two \
    "socat - TCP:$beyond_address:80 </dev/null | grep -x $uplink_address"
}

bridge_cleanup() {
  local pid
  for pid in "${pid_one-}" "${pid_two-}" "${children[@]}"; do [[ -z $pid ]] || kill "$pid" 2>/dev/null || true; done
  "$culvert" bridge down >/dev/null || true
  ip netns delete beyond 2>/dev/null || true
  umount /etc /run "$folder" 2>/dev/null || true
  rmdir "$folder" 2>/dev/null || true
}
