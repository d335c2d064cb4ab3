import Recording
import Simulation

/// A list of operations into the stack: segments and messages of a guest, mutated or not, what happens in the world and
/// on the link, commands, and time. After each of them everything must hold that `FuzzLab` and `OperationWorld` know,
/// and at the end all that was begun must come to an end. Every fourth seed is recorded, half of
/// those without payload, and its replay must do the same.
enum OperationTarget {
  /// Operations that are carried out.
  private static let mostOperations = 96

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    var options = FuzzLab.options(&input)
    options.isRecorded = options.seed % 4 == 0
    options.isRedacted = options.seed % 8 == 0
    let world = run(options, input)
    if world.faults.isEmpty && options.isRecorded { world.faults = replay(world.lab.finishRecordings()) }
    return FuzzLab.report(world.faults, of: world.lab)
  }

  private static func run(_ options: Lab.Options, _ input: FuzzInput) -> OperationWorld {
    let world = OperationWorld(options, input)
    var count = 0
    while !world.input.isAtEnd && world.faults.isEmpty && count < mostOperations {
      count += 1
      world.step()
    }
    if world.faults.isEmpty { world.end() }
    return world
  }

  /// What each loop of a run has recorded.
  static func recordings(of bytes: [UInt8], isRedacted: Bool) -> [[UInt8]] {
    var input = FuzzInput(bytes)
    var options = FuzzLab.options(&input)
    (options.isRecorded, options.isRedacted) = (true, isRedacted)
    return run(options, input).lab.finishRecordings()
  }

  /// Replays what each loop has recorded.
  /// - Returns: how it is different.
  private static func replay(_ recordings: [[UInt8]]) -> [String] {
    var faults: [String] = []
    for (loop, recording) in recordings.enumerated() {
      do throws(RecordingError) {
        var replay = Replay(try RecordingReader(bytes: recording))
        let outcome = replay.run()
        if let difference = outcome.difference {
          faults.append("input \(difference.input) of loop \(loop) is replayed differently: \(difference.what)")
        } else if outcome.end != .finished {
          faults.append("the replay of loop \(loop): \(outcome.end.map { "\($0)" } ?? "it has no end")")
        }
      } catch {
        faults.append("the recording of loop \(loop) cannot be read: \(error)")
      }
    }
    return faults
  }
}
