import Netstack
import Primitives
import Simulation

// How a run ends: whatever was begun comes to an end, and leaves nothing behind.
extension OperationWorld {
  /// Ends everything that goes on, lets time pass, and looks what is left.
  func end() {
    mangling = nil
    let isAbrupt = input.byte() & 1 != 0
    lab.setWorld { $0.descriptorsLeft = nil }
    lab.sink.maximumSlots = .max
    lab.sink.loopRoom = nil
    lab.attach()
    lab.openLink(room: nil)
    lab.settle()
    check()
    guard faults.isEmpty else { return }
    if isAbrupt {
      faults = FuzzLab.shutDown(lab)
    } else {
      endInOrder()
    }
    if faults.isEmpty { checkNothingIsLeft() }
  }

  /// Everybody reads what there is and finishes, then whoever is left goes without a word.
  private func endInOrder() {
    for forward in forwards {
      do throws(CommandError) {
        try lab.apply(.removeForward(forward.host))
      } catch {
        // It was not there.
      }
    }
    lab.advance(by: .seconds(2))
    adoptAccepted()
    for _ in 0..<4 {
      for end in guestEnds {
        end.connection.read(.max)
        end.connection.finish()
      }
      for connection in others { connection.finish() }
      forEachPeer {
        $0.setReadsAtOnce(true)
        $0.finish()
      }
      lab.advance(by: .seconds(20))
    }
    check()
    for end in guestEnds where !end.connection.isFinished { end.connection.reset() }
    for connection in others where !connection.isFinished { connection.reset() }
    lab.settle()
    forEachPeer { if !$0.isClosed { $0.reset() } }
    do throws(CommandError) {
      try lab.apply(.setResolvers([]))
    } catch {
      faults.append("no resolvers: \(error)")
    }
    // A guest that says nothing is asked after two hours, for ten minutes.
    lab.advance(by: .seconds(3 * 3600))
    check()
    if !lab.flows.isEmpty { faults.append("after everything has ended there are \(lab.flows)") }
  }

  private func forEachPeer(_ body: (Peer) -> Void) {
    for loop in lab.loops {
      for id in lab[host: loop].allConnections { body(Peer(lab: lab, loop: loop, id: id)) }
    }
  }

  private func checkNothingIsLeft() {
    for loop in lab.loops {
      let use = lab[stack: loop].tableUse
      if use.poolBlocks > 0 || use.reportedRanges > 0 { faults.append("nobody is there, but there is \(use)") }
      guard lab[stack: loop].isShutDown else { continue }
      let sockets = lab[host: loop].openSocketCount
      if use.flows > 0 || use.timers > 0 || sockets > 0 {
        faults.append("after the shutdown there are \(sockets) sockets, and \(use)")
      }
    }
  }
}
