import ArgumentParser
import Configuration
import LinuxSystem
import Runtime

/// `culvert serve`.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a network on links, until stopped.",
    discussion: """
      A LINK is a byte stream on which QEMU's '-netdev stream' speaks, or a TAP device. The options that attach a \
      guest of QEMU's are printed at start.

        unix:PATH                listen on a socket; only the same user may connect
        tcp:HOST:PORT            listen on an address and port
        connect:unix:PATH        connect to where QEMU listens ('server=on')
        connect:tcp:HOST:PORT    the same by TCP
        tap:NAME                 a TAP device, which is made if there is none; see --mode
        netns:PID|NAME|PATH[,ifname=tap0]
                                 a TAP device that is made in another network namespace and set up for its \
      programs; the service ends with the namespace
        fd:N                     an inherited descriptor: a stream, connected or listening, or a TAP device

      A link has one guest at a time. When QEMU goes away the link waits for the next, and the guest's connections \
      are kept for 60 seconds. Sockets passed by the service manager (LISTEN_FDS) are links too.

      SIGTERM and SIGINT end the service within a second, SIGUSR1 logs the table of flows, SIGUSR2 \
      stops what --capture has begun, or begins it again. SIGHUP has the file of \
      --config read again: forwards, leases kept for guests and names of the virtual resolver become as it says, \
      and connections go on; without such a file it ends the service.

      A TAP device that is a port of a bridge, or is held by another process, is left to a bridge of the kernel's, \
      which is set up and served as 'culvert bridge up' does; so is each with '--mode bridge'. Where no other link is \
      given there is no network but the bridge's. That takes root.

      EXAMPLES
        One guest:
          culvert serve unix:/run/user/1000/net.sock

        Another network, another name server, and the guest's SSH server at port 2222:
          culvert serve --net 192.168.76.0/24 --dns-upstream 192.0.2.53 \\
            --hostfwd tcp::2222-:22 unix:net.sock

        The programs in the network namespace of a process:
          culvert serve netns:4711

        A user-mode network, and a bridge beside it that the same guest may be on:
          culvert serve --bridge-config lab.toml unix:net.sock

        In a systemd unit (Type=notify):
          ExecStart=culvert serve unix:%t/net.sock
      """)

  @OptionGroup(title: "Network Options") var network: NetworkArguments
  @OptionGroup(title: "Process Options") var process: ProcessArguments

  @Argument(
    help: ArgumentHelp("Where guests are: \(LinkAddress.syntax).", valueName: "link"))
  var links: [String] = []

  func run() throws {
    var options = try process.options(network: network, defaultLevel: .info)
    options.links += links
    guard !options.links.isEmpty || options.bridge != nil || ProcessControl.environment("LISTEN_FDS") != nil else {
      throw ValidationError("There is no link to serve; give \(LinkAddress.syntax).")
    }
    try Service.serve(options)
  }
}
