import CAllocationCounter
import Glibc

/// What forwarding a kind of frame costs.
struct Measurement {
  let name: String
  /// Frames forwarded.
  var frames = 0
  /// Payload bytes forwarded.
  var bytes = 0
  /// Heap allocations meanwhile.
  var allocations: UInt64 = 0
  private var nanosecondsPerFrame: [Double] = []

  init(_ name: String) { self.name = name }

  /// Runs `body`, which forwards frames and returns how many and how many bytes of payload in them. What runs before
  /// the first call with `isWarm` does not count: tables and lists have grown then.
  mutating func measure(isWarm: Bool = true, _ body: () -> (frames: Int, bytes: Int)) {
    let clock = ContinuousClock()
    let allocationsBefore = allocation_count()
    let begin = clock.now
    let work = isWarm ? run(body) : body()
    let elapsed = clock.now - begin
    let allocated = allocation_count() - allocationsBefore
    guard isWarm && work.frames > 0 else { return }
    frames += work.frames
    bytes += work.bytes
    allocations += allocated
    nanosecondsPerFrame.append(Double(elapsed.attoseconds) / 1e9 / Double(work.frames))
  }

  /// What counts, apart from all else, so that a profiler finds it by its name (`Scripts/bench instructions`).
  @inline(never)
  private func run(_ body: () -> (frames: Int, bytes: Int)) -> (frames: Int, bytes: Int) { body() }

  /// The median of the runs: other programs disturb single ones.
  var nanoseconds: Double {
    nanosecondsPerFrame.isEmpty ? 0 : nanosecondsPerFrame.sorted()[nanosecondsPerFrame.count / 2]
  }

  /// A row of the table.
  var row: String {
    let gigabits = Double(bytes) / Double(max(frames, 1)) * 8 / max(nanoseconds, 0.001)
    let perFrame = Double(allocations) / Double(max(frames, 1))
    return "| \(name) | \(nanoseconds.tenths) | \(gigabits.tenths) | \(allocations == 0 ? "0" : perFrame.tenths) |"
  }
}

extension Double {
  /// The number with one decimal.
  var tenths: String {
    let tenths = Int((self * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Duration {
  fileprivate var attoseconds: Int64 { components.seconds * 1_000_000_000_000_000_000 + components.attoseconds }
}

/// Says what is wrong and ends with status 1.
func fatalExit(_ message: String) -> Never {
  print("Benchmarks: \(message)")
  exit(1)
}
