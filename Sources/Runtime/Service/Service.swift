public import Configuration
import Links
import LinuxSystem
import Logging
import Netstack
import Primitives

/// Running instances: what the commands `serve` and `run` do.
public enum Service {
  /// Serves a network on links until a signal, or the end of the last link, ends it.
  ///
  /// What is needed to attach QEMU is written to standard output once everything is set up.
  public static func serve(_ options: ServiceOptions) throws(ServiceError) {
    try ServiceError.wrapping {
      let setup = try Setup(options)
      let inherited = try ServiceManager.takeDescriptors().map { LinkAddress.descriptor($0) }
      let links = try options.links.map { try LinkAddress($0) } + inherited
      guard !links.isEmpty else { throw ServiceError("there is no link to serve; give \(LinkAddress.syntax)") }
      var loop = try setup.makeLoop(links: links)
      try Setup.harden()
      let pidFile = try setup.writePIDFile()
      for link in links { printOptions(for: link) }
      setup.reportReady()
      _ = try loop.run()
      _ = consume pidFile
    }
  }

  /// Starts QEMU with a network attached, and serves it until QEMU ends.
  /// - Returns: the status to exit with.
  public static func run(
    _ command: QEMUCommandLine, netdev: String = "net0", nic: String? = nil, options: ServiceOptions
  ) throws(ServiceError) -> Int32 {
    try ServiceError.wrapping {
      let setup = try Setup(options)
      let ends = try Socket.pair(.stream)
      let theirs = ends.second.rawValue
      let words = try command.attaching(descriptor: theirs, netdev: netdev, nic: nic)
      var loop = try setup.makeLoop(links: [.descriptor(try ends.first.duplicate().take())])
      let pidFile = try setup.writePIDFile()
      // Before the privileges go: QEMU may start helpers of its own that need them.
      let process = try ChildProcess(words, inheriting: [.init(theirs)])
      _ = consume ends
      try loop.adopt(Child(process, daemonizes: command.daemonizes))
      do {
        try Setup.harden()
      } catch {
        try loop.child?.pass(Signals.end)
        throw error
      }
      setup.reportReady()
      let end = try loop.run()
      _ = consume pidFile
      guard case .child(let exit) = end else { return 0 }
      return exit.shellStatus
    }
  }

  /// Prints the options that attach QEMU to `link`.
  private static func printOptions(for link: LinkAddress) {
    guard let words = link.qemuOptions() else { return }
    let line = words.map(\.shellQuoted).joined(separator: " ")
    StandardStream.output.write("QEMU's options for \(link):\n  \(line)\n")
  }
}

extension String {
  /// The text as one word of a POSIX shell.
  var shellQuoted: String {
    let isPlain = utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "-_=,./:@%+".utf8.contains(byte)
      }
    }
    guard !isPlain || isEmpty else { return self }
    return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
