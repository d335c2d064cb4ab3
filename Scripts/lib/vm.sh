# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables that the scripts set or use
# vm.sh: boot the guest of Scripts/guest-image and run commands in it. Source it after common.sh.

# vm_boot FOLDER NETWORK-ARGUMENT...: start QEMU with these network options, after the command in the array
# `vm_launcher` where that is set and with the kernel's options of `vm_kernel_options`, and wait until the guest takes
# commands: by `vm_from`, `vm_to` and `vm_pid`, which stand for the guest that is meant. Its console is at
# FOLDER/console (a UNIX socket, kept in FOLDER/console.log); QEMU's own words are in FOLDER/qemu.log.
vm_boot() {
  local folder=$1
  shift
  mkfifo "$folder/agent.in" "$folder/agent.out"
  {
    exec "${vm_launcher[@]}" qemu-system-x86_64 -accel tcg -m 512 -no-user-config -nodefaults \
      -display none -kernel "$guest_folder/vmlinuz" -initrd "$guest_folder/initramfs" \
      -append "console=ttyS0 quiet ${vm_kernel_options-}" \
      -chardev "socket,id=console,path=$folder/console,server=on,wait=off,logfile=$folder/console.log" \
      -serial chardev:console -chardev stdio,id=agent,signal=off -serial chardev:agent "$@"
  } <"$folder/agent.in" >"$folder/agent.out" 2>"$folder/qemu.log" &
  vm_pid=$!
  exec {vm_to}>"$folder/agent.in" {vm_from}<"$folder/agent.out"
  local word=''
  read -r -t 60 -u "$vm_from" word || true
  [[ $word == ready ]] || fail "the guest did not boot: $(cat "$folder/qemu.log" "$folder/console.log")"
}

# vm SCRIPT: run SCRIPT by bash in the guest; print what it writes and return its status.
vm() {
  local id status output
  printf '1 %s\n' "$(base64 -w0 <<<"$1")" >&"$vm_to"
  read -r -t "${vm_timeout:-60}" -u "$vm_from" id status output || {
    say "no answer from the guest"
    return 124
  }
  [[ $id == 1 ]] || return 125
  base64 -d <<<"$output"
  return "$status"
}
