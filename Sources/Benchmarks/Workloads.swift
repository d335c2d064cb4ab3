import Buffers
import Netstack
import Primitives
import Simulation

/// A kind of frame to forward.
struct Workload: Sendable {
  let name: String
  private let body: @Sendable (String) -> Measurement

  private init(_ name: String, _ body: @escaping @Sendable (String) -> Measurement) {
    self.name = name
    self.body = body
  }

  func measure() -> Measurement { body(name) }

  static let all = [
    Workload("guest to host, TCP, 1460 B") { measureGuestToHost(payload: 1460, .ipv4, name: $0) },
    Workload("guest to host, TCP over IPv6, 1440 B") { measureGuestToHost(payload: 1440, .ipv6, name: $0) },
    Workload("guest to host, TCP, 64 KB") { measureGuestToHost(payload: 65_480, .ipv4, name: $0) },
    Workload("guest to host, TCP over IPv6, 64 KB") { measureGuestToHost(payload: 65_460, .ipv6, name: $0) },
    Workload("host to guest, TCP, 1460 B") { measureHostToGuest(mss: 1460, .ipv4, name: $0) },
    Workload("host to guest, TCP over IPv6, 1440 B") { measureHostToGuest(mss: 1440, .ipv6, name: $0) },
    Workload("host to guest, TCP, 64 KB") { measureHostToGuest(mss: 65_480, .ipv4, name: $0) },
    Workload("host to guest, TCP over IPv6, 64 KB") { measureHostToGuest(mss: 65_460, .ipv6, name: $0) },
    Workload("guest to host, UDP, 64 B") { measureDatagramsFromGuest(payload: 64, .ipv4, name: $0) },
    Workload("guest to host, UDP, 1472 B") { measureDatagramsFromGuest(payload: 1472, .ipv4, name: $0) },
    Workload("guest to host, UDP over IPv6, 1452 B") { measureDatagramsFromGuest(payload: 1452, .ipv6, name: $0) },
    Workload("host to guest, UDP, 1472 B") { measureDatagramsToGuest(payload: 1472, .ipv4, name: $0) },
    Workload("host to guest, UDP over IPv6, 1452 B") { measureDatagramsToGuest(payload: 1452, .ipv6, name: $0) },
    Workload("ping and its answer, 56 B") { measurePing(payload: 56, name: $0) },
  ]
}

/// Measures one thing alone, whatever it is, and returns how many frames or events were counted.
func countFrames(of name: String) -> Int {
  if let workload = Workload.all.first(where: { $0.name == name }) { return workload.measure().frames }
  guard let kind = Crowd.Kind(rawValue: name) else { fatalExit("there is nothing called '\(name)' to measure") }
  return CrowdMeasurement(kind, sizes: [1000]).measurements.map(\.frames).reduce(0, +)
}

/// Runs that warm up, and runs that count.
private let warmUps = 20
private let rounds = 200

private func measureGuestToHost(payload: Int, _ family: IPAddress.Family, name: String) -> Measurement {
  var measurement = Measurement(name)
  let bench = Bench(over: family)
  let connection = bench.connect(mss: 65_480)
  let bytes = [UInt8](repeating: 0x5a, count: payload)
  // Long frames take long to make.
  let rounds = payload > 10_000 ? rounds / 4 : rounds
  var place = 1
  for round in 0..<(warmUps + rounds) {
    bench.load(
      (0..<Bench.batchSize).map { bench.guest.segment(.ack, at: place + $0 * payload, ack: 1, payload: bytes) })
    measurement.measure(isWarm: round >= warmUps) {
      bench.receive()
      return (Bench.batchSize, Bench.batchSize * payload)
    }
    place += Bench.batchSize * payload
  }
  guard bench.stack.host.byteCount(at: connection) == place - 1 else { fatalExit("\(name): bytes were lost") }
  return measurement
}

private func measureHostToGuest(mss: UInt16, _ family: IPAddress.Family, name: String) -> Measurement {
  var measurement = Measurement(name)
  let bench = Bench(over: family)
  let connection = bench.connect(mss: mss)
  let bytes = [UInt8](repeating: 0x5a, count: Bench.batchSize * Int(mss))
  let before = bench.sink.payloadBytes
  for round in 0..<(warmUps + rounds) {
    bench.stack.host.peerWrites(bytes, on: connection)
    var isSent = false
    while !isSent {
      let (frames, sent) = (bench.sink.frames, bench.sink.payloadBytes)
      measurement.measure(isWarm: round >= warmUps) {
        bench.deliverEvents()
        return (bench.sink.frames - frames, bench.sink.payloadBytes - sent)
      }
      // The guest acknowledges what came; the windows let the rest go.
      bench.load([bench.guest.segment(.ack, at: 1, ack: 1 + bench.sink.payloadBytes - before)])
      let (later, more) = (bench.sink.frames, bench.sink.payloadBytes)
      measurement.measure(isWarm: round >= warmUps) {
        bench.receive()
        return (bench.sink.frames - later, bench.sink.payloadBytes - more)
      }
      isSent = bench.stack.host.unreadByteCount(of: connection) == 0
    }
  }
  guard bench.sink.payloadBytes - before == (warmUps + rounds) * bytes.count else {
    fatalExit("\(name): bytes were lost")
  }
  return measurement
}

private func measureDatagramsFromGuest(payload: Int, _ family: IPAddress.Family, name: String) -> Measurement {
  var measurement = Measurement(name)
  let bench = Bench(over: family)
  let frame = bench.guest.datagram([UInt8](repeating: 0x5a, count: payload))
  bench.load(Array(repeating: frame, count: Bench.batchSize))
  for round in 0..<(warmUps + rounds) {
    measurement.measure(isWarm: round >= warmUps) {
      bench.receive()
      return (Bench.batchSize, Bench.batchSize * payload)
    }
  }
  guard bench.stack.host.calls.sentDatagrams == (warmUps + rounds) * Bench.batchSize else {
    fatalExit("\(name): datagrams were lost")
  }
  return measurement
}

private func measureDatagramsToGuest(payload: Int, _ family: IPAddress.Family, name: String) -> Measurement {
  var measurement = Measurement(name)
  let bench = Bench(over: family)
  bench.load([bench.guest.datagram([1])])
  bench.receive()
  guard let flow = bench.stack.host.datagramFlow(onPort: bench.guest.local.port) else {
    fatalExit("\(name): no socket")
  }
  let bytes = [UInt8](repeating: 0x5a, count: payload)
  let before = bench.sink.frames
  for round in 0..<(warmUps + rounds) {
    for _ in 0..<Bench.batchSize {
      bench.stack.host.deliver(bytes, from: bench.guest.remote, to: flow)
    }
    measurement.measure(isWarm: round >= warmUps) {
      bench.deliverEvents()
      return (Bench.batchSize, Bench.batchSize * payload)
    }
  }
  guard bench.sink.frames - before == (warmUps + rounds) * Bench.batchSize else {
    fatalExit("\(name): datagrams were lost")
  }
  return measurement
}

private func measurePing(payload: Int, name: String) -> Measurement {
  var measurement = Measurement(name)
  let bench = Bench(to: Endpoint(NetworkSettings().ipv4Gateway, port: 0))
  let request = PlainICMP(type: 8, rest: 1, payload: [UInt8](repeating: 0x5a, count: payload))
  bench.load(Array(repeating: bench.guest.frame(.icmp(request)), count: Bench.batchSize))
  for round in 0..<(warmUps + rounds) {
    measurement.measure(isWarm: round >= warmUps) {
      bench.receive()
      return (Bench.batchSize, Bench.batchSize * payload)
    }
  }
  guard bench.sink.frames == (warmUps + rounds) * Bench.batchSize else { fatalExit("\(name): answers were lost") }
  return measurement
}
