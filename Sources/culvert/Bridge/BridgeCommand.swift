import ArgumentParser

/// `culvert bridge`.
struct BridgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bridge",
    abstract: "Put guests on a bridge of the kernel's, with DHCP and a way outside.",
    discussion: """
      For guests that are to have addresses of a network of their own, find each other, and be found by the host. \
      'up' makes the bridge, forwards packets between it and the uplink, translates their addresses by a table of \
      rules of its own (nftables), serves DHCP and allows the bridge to QEMU's helper; 'down' takes all of that back. \
      Nothing is touched that is somebody else's. Root, or CAP_NET_ADMIN and CAP_NET_RAW, is needed.

      EXAMPLES
        Two guests behind the Wi-Fi interface wlo1, until Ctrl-C:
          culvert bridge up --uplink wlo1
          qemu-system-x86_64 -net nic,macaddr=52:54:00:12:34:59 \\
            -net bridge,br=bridge0 one.img
          qemu-system-x86_64 -net nic,macaddr=52:54:00:12:34:58 \\
            -net bridge,br=bridge0 two.img

        In the background, and gone again:
          culvert bridge up --detach
          culvert bridge status
          culvert bridge down

        What it would do, as commands:
          culvert bridge up --dry-run

      EXIT STATUS
        0 if it was done, 1 if not, 2 for a wrong command line, 3 where rules of somebody else's would drop the \
      bridge's packets: what is needed is printed.
      """,
    subcommands: [BridgeUpCommand.self, BridgeStatusCommand.self, BridgeDownCommand.self])
}

/// Which bridge is meant.
struct BridgeNameArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The bridge.", valueName: "bridge"))
  var bridge = "bridge0"
}
