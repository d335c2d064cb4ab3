import ArgumentParser
import Runtime

/// The command `culvert`.
struct Culvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "culvert",
    abstract: "Give a virtual machine or a network namespace a network, without root.",
    discussion: """
      Culvert ends a guest's Ethernet frames in a TCP/IP stack of its own and carries each connection on an ordinary \
      socket of the host. The guest finds a gateway and a way to the host's loopback at 10.0.2.2, a name server at \
      10.0.2.3, and gets 10.0.2.15 by DHCP, as with QEMU's '-netdev user'.

      EXAMPLES
        Start a guest with its network attached:
          culvert run -- qemu-system-x86_64 -m 512 disk.img

        The same, with the guest's SSH server at port 2222 of the host:
          culvert run --hostfwd tcp:127.0.0.1:2222-:22 -- \\
            qemu-system-x86_64 -m 512 disk.img

        Serve a guest that is started elsewhere; QEMU's options are printed:
          culvert serve unix:/run/user/1000/net.sock

        Run a program in a network namespace of its own:
          culvert exec -- curl http://example.com/

        Put guests on a bridge, with DHCP and a way outside:
          culvert bridge up

        Look into one that runs:
          culvert serve --control unix:ctl.sock unix:net.sock &
          culvert ctl --socket unix:ctl.sock flows

      EXIT STATUS
        0 after a regular end, 1 if something could not be done, 2 for a wrong command line.
        'culvert run' and 'culvert exec' end with the status of the command that they started.
      """,
    version: Version.current,
    subcommands: [
      RunCommand.self, ServeCommand.self, ExecCommand.self, CheckCommand.self, CtlCommand.self, InspectCommand.self,
      ReplayCommand.self, BridgeCommand.self,
      ReplayCommand.self, TAPCommand.self,
      CompletionsCommand.self, NamespaceHelperCommand.self,
    ])
}
