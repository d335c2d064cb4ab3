import Buffers
import Netstack
import Primitives
import Simulation

/// Any bytes as frames of a guest's, with time between them.
///
/// After the bytes that choose the lab come records: a byte that says what it is, then, of a frame, its length in two
/// bytes and the frame.
enum FrameTarget {
  /// What a record is, by the lowest two bits of its first byte.
  private enum Kind: UInt8 {
    case asItIs, repaired, merged, time
  }

  /// Records that are looked at.
  private static let mostRecords = 64

  static func run(_ bytes: [UInt8]) -> [String] {
    var input = FuzzInput(bytes)
    let lab = Lab(FuzzLab.options(&input))
    FuzzLab.populate(lab)
    var faults: [String] = []
    var count = 0
    while !input.isAtEnd && faults.isEmpty && count < mostRecords {
      count += 1
      take(input.byte(), &input, into: lab)
      faults = FuzzLab.faults(of: lab)
    }
    if faults.isEmpty { faults = FuzzLab.shutDown(lab) }
    return FuzzLab.report(faults, of: lab)
  }

  private static func take(_ first: UInt8, _ input: inout FuzzInput, into lab: Lab) {
    switch Kind(rawValue: first & 3) {
    case .time?: lab.advance(by: FuzzLab.steps[Int(first >> 2) % FuzzLab.steps.count])
    case .asItIs?: lab.guest.send(frame(first, &input, lab))
    case .repaired?: lab.guest.send(FrameRepair.repair(frame(first, &input, lab)))
    case .merged?:
      let frame = FrameRepair.repair(frame(first, &input, lab))
      lab.guest.send(LinkFrame(frame, checksum: .verified))
    case nil: break
    }
    // With this bit the next record comes in the same batch.
    if first & 4 == 0 { lab.settle() }
  }

  private static func frame(_ first: UInt8, _ input: inout FuzzInput, _ lab: Lab) -> [UInt8] {
    var bytes = input.take(Int(input.word()))
    guard first & 8 != 0, bytes.count >= 12 else { return bytes }
    // Addressed so that the stack looks at it.
    let gateway = first & 16 == 0 ? lab.guest.gatewayMAC : lab.guest.ipv6GatewayMAC
    var addresses = bytes.mutableSpan
    gateway.write(to: &addresses, at: 0)
    lab.guest.mac.write(to: &addresses, at: 6)
    return bytes
  }

  /// A record of a frame, which goes to the stack's own address where it goes to a single station's.
  static func record(_ frame: [UInt8], isAddressed: Bool = false) -> [UInt8] {
    var first = Kind.asItIs.rawValue
    if isAddressed && frame[0] & 1 == 0 { first |= frame[12] == 0x86 ? 24 : 8 }
    return [first, UInt8(frame.count >> 8), UInt8(frame.count & 255)] + frame
  }

  /// A record that moves the clock by step `number`.
  static func time(_ number: UInt8) -> [UInt8] { [number << 2 | Kind.time.rawValue] }
}
