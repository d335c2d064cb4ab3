import Configuration
import Runtime

// The results of the control methods for people.

extension StatusReport {
  /// A line for each fact.
  var text: String {
    let head = "\(version), process \(processID), up \(uptime.duration), log level \(logLevel.rawValue)\n"
    return head + networks.map(\.text).joined()
  }
}

extension NetworkReport {
  fileprivate var text: String {
    var facts: [[String]] = []
    for (name, family) in [("IPv4", ipv4), ("IPv6", ipv6)] {
      guard let family else { continue }
      facts.append(
        ["  \(name)", "\(family.network), gateway \(family.gateway), name server \(family.resolver)"])
    }
    facts.append(["  MTU", "\(mtu) bytes"])
    for link in links {
      facts.append(["  link", "\(link.link), \(link.isConnected ? "connected" : "nobody there")"])
      facts.append(["    from the guest", "\(link.framesFromGuest) frames, \(UInt64(link.bytesFromGuest).size)"])
      facts.append(["    to the guest", "\(link.framesToGuest) frames, \(UInt64(link.bytesToGuest).size)"])
    }
    facts.append(["  flows", "\(flows.tcp) TCP, \(flows.udp) UDP, \(flows.icmp) ping"])
    facts.append(["  forwards", "\(forwards)"])
    facts.append(["  leases", "\(leases)"])
    facts.append(["  name servers", resolvers.isEmpty ? "none" : resolvers.joined(separator: ", ")])
    if let capture { facts.append(["  capture", capture.words]) }
    if let hostCapture { facts.append(["  capture of the host's side", hostCapture.words]) }
    if framesHandedOver > 0 { facts.append(["  handed to other threads", "\(framesHandedOver) frames"]) }
    for (reason, count) in drops.sorted(by: { $0.key < $1.key }) { facts.append(["  dropped, \(reason)", "\(count)"]) }
    return "network \(name)\n" + TextTable(facts).text
  }
}

extension FlowsReport {
  /// A line for each flow.
  var text: String {
    let rows = flows.map { flow in
      [
        flow.transport.rawValue, flow.guest, flow.isInbound ? "<-" : "->", flow.remote,
        flow.host == flow.remote ? "" : flow.host, flow.state, flow.bytesFromGuest.size, flow.bytesToGuest.size,
      ]
    }
    return TextTable(["PROTOCOL", "GUEST", "", "REMOTE", "HOST'S VIEW", "STATE", "OUT", "IN"], rows, right: [6, 7]).text
  }
}

extension ForwardsReport {
  /// A line for each forward.
  var text: String {
    TextTable(
      ["PROTOCOL", "HOST", "GUEST", "RULE"], forwards.map { [$0.transport.rawValue, $0.host, $0.guest, $0.rule] }
    ).text
  }

  /// A line for each forward that has changed.
  func changes(_ verb: String) -> String {
    forwards.map { "\(verb) \($0.transport.rawValue) \($0.host) to \($0.guest)\n" }.joined()
  }
}

extension LeasesReport {
  /// A line for each lease.
  var text: String {
    let rows = leases.map { lease in
      [
        lease.address, lease.hardware, lease.hostname ?? "", lease.remaining.duration, lease.isStatic ? "static" : "",
      ]
    }
    return TextTable(["ADDRESS", "HARDWARE", "HOSTNAME", "ENDS IN", ""], rows).text
  }
}

extension ResolversReport {
  /// A line for each server, and one for what became of the queries.
  var text: String {
    let rows = servers.map { server in
      [
        server.server, "\(server.asked)", "\(server.answered)", "\(server.failed)",
        server.roundTrip?.milliseconds ?? "",
      ]
    }
    let table = TextTable(["SERVER", "ASKED", "ANSWERED", "FAILED", "LATEST ANSWER"], rows, right: [1, 2, 3, 4]).text
    let others = repetitions == 0 ? "" : ", \(repetitions) came again"
    return table + "\(queries) queries: \(localAnswers) answered here, \(forwardedAnswers) by servers, "
      + "\(failures) failed\(others)\n"
  }
}

extension CaptureReport {
  /// One line.
  var text: String { (capture?.words ?? "nothing was captured") + "\n" }
}

extension CaptureReport.Capture {
  fileprivate var words: String {
    let end = failure.map { "; ended: \($0)" } ?? (isRunning ? "" : "; ended")
    return "\(file), \(frames) frames, \(UInt64(bytes).size), \(dropped) dropped\(end)"
  }
}

extension UInt64 {
  /// A number of bytes in three digits or so: `1.5 MB`, powers of a thousand as the SI has them.
  fileprivate var size: String {
    var (value, units) = (Double(self), ["B", "kB", "MB", "GB", "TB", "PB", "EB"][...])
    while value >= 999.5, units.count > 1 {
      value /= 1000
      units = units.dropFirst()
    }
    let unit = units.first ?? ""
    guard unit != "B", value < 9.95 else { return "\(UInt64(value.rounded())) \(unit)" }
    return "\((value * 10).rounded() / 10) \(unit)"
  }
}

extension Int {
  /// A number of microseconds: `1.5 ms`.
  fileprivate var milliseconds: String { "\((Double(self) / 100).rounded() / 10) ms" }

  /// A number of seconds in its two greatest units: `3 h 20 min`.
  fileprivate var duration: String {
    switch self {
    case ..<60: "\(self) s"
    case ..<3600: "\(self / 60) min \(self % 60) s"
    case ..<86_400: "\(self / 3600) h \(self % 3600 / 60) min"
    default: "\(self / 86_400) d \(self % 86_400 / 3600) h"
    }
  }
}
