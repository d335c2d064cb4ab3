import ArgumentParser
import LinuxSystem
import Runtime

/// `culvert tap`.
struct TAPCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tap",
    abstract: "Make and remove TAP devices that outlive who uses them.",
    discussion: """
      Root makes a device once; the user that it is for opens it by its name from then on, without any rights, with \
      'culvert serve tap:NAME' or QEMU's '-netdev tap,ifname=NAME,script=no,downscript=no'. It is gone after the next \
      boot of the host.

      EXAMPLES
        A device that the user nobody may open, on a bridge:
          culvert tap create tap0 --user nobody --bridge bridge0

        And gone again:
          culvert tap delete tap0
      """,
    subcommands: [Create.self, Delete.self])

  /// `culvert tap create`.
  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make one, and switch it on.")

    @Argument(help: ArgumentHelp("The device's name, as 'tap0'.", valueName: "name"))
    var name: String

    @Option(
      name: .customLong("user"),
      help: ArgumentHelp("The user who may open it, by name or number (default: root only).", valueName: "user"))
    var user: String?

    @Option(
      name: .customLong("group"),
      help: ArgumentHelp(
        "The group whose members may open it, by name or number; with --user, who must be one of them (default: none).",
        valueName: "group"))
    var group: String?

    @Option(
      name: .customLong("bridge"),
      help: ArgumentHelp("The bridge that it becomes a port of (default: none).", valueName: "bridge"))
    var bridge: String?

    @Flag(name: .customLong("multi-queue"), help: "Let it be opened several times at once, each time for a queue.")
    var isMultiQueue = false

    func run() throws {
      let device = PersistentDevice(
        name, user: try user.map(Self.user), group: try group.map(Self.group), bridge: bridge,
        isMultiQueue: isMultiQueue)
      try device.create()
    }

    private static func user(_ text: String) throws -> UInt32 {
      if let number = ProcessControl.userNumber(named: text) ?? Self.number(text) { return number }
      throw ServiceError("user: there is no user '\(text)'")
    }

    private static func group(_ text: String) throws -> UInt32 {
      if let number = ProcessControl.groupNumber(named: text) ?? Self.number(text) { return number }
      throw ServiceError("group: there is no group '\(text)'")
    }

    /// A number; the highest means nobody to the kernel.
    private static func number(_ text: String) -> UInt32? { UInt32(text).flatMap { $0 == .max ? nil : $0 } }
  }

  /// `culvert tap delete`.
  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Remove one.")

    @Argument(help: ArgumentHelp("The device's name.", valueName: "name"))
    var name: String

    func run() throws { try PersistentDevice.delete(name) }
  }
}
