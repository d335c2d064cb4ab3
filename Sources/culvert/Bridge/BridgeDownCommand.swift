import ArgumentParser
import Bridge
import LinuxSystem
import Runtime

/// `culvert bridge down`.
struct BridgeDownCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "down",
    abstract: "Take a bridge down, and back what 'up' has changed.",
    discussion: """
      Ends what serves the bridge, and makes everything as it was before 'up', also after a crash. What somebody has \
      changed since then stays as it is. A bridge that 'up' has not made stays, too. Done once more it changes nothing.
      """)

  @OptionGroup var name: BridgeNameArgument

  func run() throws {
    let wasUp = try BridgeSetup.takeDown(try BridgeState(of: name.bridge))
    StandardStream.output.write(wasUp ? "\(name.bridge) is down\n" : "\(name.bridge) is not up\n")
  }
}
