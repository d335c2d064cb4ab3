import ArgumentParser
import Configuration
import Runtime

/// `culvert exec`.
struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run a command in a network namespace of its own, without root.",
    discussion: """
      COMMAND finds an interface 'tap0' with the first address that DHCP gives out, a default route and a name \
      server, and nothing of the host's own interfaces; the host's loopback is at the gateway's address. Without root it runs in \
      a user namespace, too, where it is root; as root it runs as it is. /etc/resolv.conf is the namespace's own.

      Where users may make no namespaces, what to switch on is said. The exit status is the command's, or 128 and \
      the signal's number if a signal ended it, 127 for a command that is not there and 126 for one that cannot be \
      run. SIGTERM, SIGHUP and SIGQUIT are passed on to it. What it has sent is delivered after its end, as long as its \
      receivers go on reading, and ten seconds more; a signal ends that at once. Processes that it leaves behind have \
      no network any more.

      EXAMPLES
        A shell:
          culvert exec -- bash

        A server, at port 8080 of the host:
          culvert exec -p tcp:127.0.0.1:8080-:8000 -- python3 -m http.server 8000

        Something that shall reach nothing:
          culvert exec --restrict on -- ./untrusted
      """)

  @Option(
    name: .customShort("p"),
    help: ArgumentHelp(
      "Lead a port of the host to the command, as --hostfwd does; may be repeated.",
      valueName: "[tcp|udp]:[hostaddr]:port-:port"))
  var ports: [String] = []

  @OptionGroup(title: "Network Options") var network: NetworkArguments
  @OptionGroup(title: "Process Options") var process: ProcessArguments

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("The command, behind '--'.", valueName: "command"))
  var command: [String]

  func run() throws {
    var options = try process.options(network: network, defaultLevel: .warning)
    guard options.links.isEmpty else { throw ConfigurationError("link", "'exec' makes its own link; leave it out") }
    try options.checkHasNoBridge(for: "exec")
    guard !command.isEmpty else { throw ValidationError("There is no command to run; give one behind '--'.") }
    options.network.hostfwd += ports
    options.commandLineNetwork.hostfwd += ports
    let status = try Service.execute(command, options: options)
    guard status == 0 else { throw ExitCode(status) }
  }
}
