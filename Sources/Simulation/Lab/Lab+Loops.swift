import BasicContainers
public import Netstack
import Primitives
public import Recording

// The loops of the network, each with a core and sockets of its own.
extension Lab {
  /// The loops, counted from 0.
  public var loops: Range<Int> { 0..<options.loops }

  /// The core of a loop, as it is recorded.
  subscript(recorded loop: Int) -> RecordedStack<SimulatedHost, LabObserver> {
    _read {
      if loop == 0 { yield recorded } else { yield otherRecorded[loop - 1] }
    }
    _modify {
      if loop == 0 { yield &recorded } else { yield &otherRecorded[loop - 1] }
    }
  }

  /// The core of a loop.
  public subscript(stack loop: Int) -> Stack<Recorded<SimulatedHost>, LabObserver> {
    _read { yield self[recorded: loop].core }
    _modify { yield &self[recorded: loop].core }
  }

  /// The world outside as a loop's sockets see it.
  public subscript(host loop: Int) -> SimulatedHost {
    _read { yield self[recorded: loop].core.host.base }
    _modify { yield &self[recorded: loop].core.host.base }
  }

  /// Changes the world outside, which is the same for all loops.
  public func setWorld(_ change: (inout SimulatedHost) -> Void) {
    for loop in loops { change(&self[host: loop]) }
  }

  /// When a loop or the world next does something by itself.
  var nextDeadlineOfLoops: Instant {
    var next = Instant.never
    for loop in loops { next = min(next, self[stack: loop].nextDeadline, self[host: loop].nextEvent) }
    return next
  }

  /// The loop that a command is for.
  func loop(for command: Command) -> Int {
    switch command {
    case .addForward(let forward): stack.steering.owner(of: forward)
    case .removeForward(let place): loops.first { hasForward(from: place, in: $0) } ?? 0
    default: 0
    }
  }

  private func hasForward(from place: ListeningPlace, in loop: Int) -> Bool {
    var isThere = false
    self[stack: loop].forEachForward { if $0.host == place { isThere = true } }
    return isThere
  }
}
