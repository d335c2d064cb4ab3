import Simulation

/// A list of operations into the stack: segments and messages of a guest, mutated or not, what happens in the world and
/// on the link, commands, and time. After each of them everything must hold that `FuzzLab` and `OperationWorld` know,
/// and at the end all that was begun must come to an end.
enum OperationTarget {
  /// Operations that are carried out.
  private static let mostOperations = 96

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let world = OperationWorld(FuzzLab.options(&input), input)
    var count = 0
    while !world.input.isAtEnd && world.faults.isEmpty && count < mostOperations {
      count += 1
      world.step()
    }
    if world.faults.isEmpty { world.end() }
    return FuzzLab.report(world.faults, of: world.lab)
  }
}
