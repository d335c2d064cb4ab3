import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives

/// A network that an operator may ask about.
struct ControlledNetwork: Sendable {
  /// Its name.
  var name: String
  /// The ways into its loops.
  var loops: LoopDirectory
  /// Whom a forward without a guest's address leads to, nil where there are no leases.
  var firstLease: IPv4Address?
  /// What is captured of it.
  var capture: NetworkCapture
  /// The UNIX sockets on which no forward may listen.
  var ownSockets = OwnSockets()
}

/// Carries out what an operator asks for: takes the request apart, asks the loops, and makes the answer. Used by one
/// thread, which waits for the loops' answers.
struct ControlService: Sendable {
  private let networks: [ControlledNetwork]
  private let threshold: LogThreshold
  private let bell: Bell
  private let start: Instant

  /// How long a loop has to answer. Much longer than any turn: it bounds the wait for one that never will.
  private static var patience: Interval { .seconds(5) }

  /// - Precondition: there is a network.
  init(_ networks: [ControlledNetwork], threshold: LogThreshold) throws(SystemError) {
    precondition(!networks.isEmpty, "nothing to ask about")
    self.networks = networks
    self.threshold = threshold
    bell = try Bell()
    start = MonotonicClock.now
  }

  /// The answer to a request, each being one line without its end.
  func answer(_ line: [UInt8]) -> [UInt8] {
    do throws(ControlFailure) {
      let request = try ControlJSON.request(line)
      do throws(ControlFailure) {
        return try carryOut(request)
      } catch {
        return ControlJSON.line(error, id: request.id)
      }
    } catch {
      return ControlJSON.line(error, id: nil)
    }
  }

  private func carryOut(_ request: ControlRequest) throws(ControlFailure) -> [UInt8] {
    let version = ControlRequest.currentVersion
    guard request.version == version else {
      throw ControlFailure(.unsupportedVersion, "version \(request.version) is not spoken here; write \(version)")
    }
    guard let method = ControlMethod(rawValue: request.method) else {
      let methods = ControlMethod.allCases.map(\.rawValue).joined(separator: ", ")
      throw ControlFailure(.unknownMethod, "there is no method '\(request.method)'; give \(methods)")
    }
    let parameters = request.params ?? ControlParameters()
    switch method {
    case .status: return ControlJSON.line(try status(parameters), id: request.id)
    case .flows: return ControlJSON.line(try flows(parameters), id: request.id)
    case .forwards: return ControlJSON.line(try forwards(parameters), id: request.id)
    case .addForward: return ControlJSON.line(try addForward(parameters), id: request.id)
    case .removeForward: return ControlJSON.line(try removeForward(parameters), id: request.id)
    case .leases: return ControlJSON.line(try leases(parameters), id: request.id)
    case .dns: return ControlJSON.line(try resolvers(parameters), id: request.id)
    case .capture: return ControlJSON.line(capture(of: try network(parameters)), id: request.id)
    case .startCapture: return ControlJSON.line(try startCapture(parameters), id: request.id)
    case .stopCapture: return ControlJSON.line(try stopCapture(parameters), id: request.id)
    case .logLevel: return ControlJSON.line(try logLevel(parameters), id: request.id)
    }
  }
}

// MARK: Questions

extension ControlService {
  private func status(_ parameters: ControlParameters) throws(ControlFailure) -> StatusReport {
    let asked = parameters.network == nil ? networks : [try network(parameters)]
    var reports: [NetworkReport] = []
    for network in asked {
      reports.append(NetworkReport(try status(of: network), network.capture, name: network.name))
    }
    return StatusReport(
      version: Version.current, processID: ProcessControl.processID,
      uptime: Int((MonotonicClock.now - start).nanoseconds / 1_000_000_000), logLevel: LogLevel(threshold.level),
      networks: reports)
  }

  private func status(of network: ControlledNetwork) throws(ControlFailure) -> NetworkStatus {
    var status = try ask(network) { .status($0) }
    for other in network.loops.others { status.add(try ask(network, other) { .status($0) }) }
    return status
  }

  /// The forwards of all loops.
  private func forwards(of network: ControlledNetwork) throws(ControlFailure) -> [PortForward] {
    var forwards: [PortForward] = []
    for loop in network.loops.mailboxes { forwards += try ask(network, loop) { .forwards($0) } }
    return forwards
  }

  private func flows(_ parameters: ControlParameters) throws(ControlFailure) -> FlowsReport {
    let network = try network(parameters)
    let transport = try choice(parameters.transport, "transport", FlowTransport.allCases)
    let state = try choice(parameters.state?.uppercased(), "state", FlowState.allCases)
    var flows: [FlowsReport.Flow] = []
    for (index, loop) in network.loops.mailboxes.enumerated() {
      flows += try ask(network, loop) { .flows($0) }
        .filter { state == nil || $0.state == state }
        .map { FlowsReport.Flow($0, of: index) }
        .filter { transport == nil || $0.transport == transport }
    }
    return FlowsReport(network: network.name, flows: flows)
  }

  private func forwards(_ parameters: ControlParameters) throws(ControlFailure) -> ForwardsReport {
    let network = try network(parameters)
    let forwards = try forwards(of: network)
    return ForwardsReport(network: network.name, forwards: forwards.map { ForwardsReport.Forward($0) })
  }

  private func capture(of network: ControlledNetwork) -> CaptureReport {
    CaptureReport(network: network.name, capture: network.capture.link.status.map { CaptureReport.Capture($0) })
  }

  private func leases(_ parameters: ControlParameters) throws(ControlFailure) -> LeasesReport {
    let network = try network(parameters)
    let settings = try ask(network) { .status($0) }.settings
    let leases = try ask(network) { .leases($0) }
    let now = MonotonicClock.now
    return LeasesReport(network: network.name, leases: leases.map { LeasesReport.Lease($0, of: settings, at: now) })
  }

  private func resolvers(_ parameters: ControlParameters) throws(ControlFailure) -> ResolversReport {
    let network = try network(parameters)
    return ResolversReport(try ask(network) { .resolver($0) }, network: network.name)
  }
}

// MARK: Changes

extension ControlService {
  /// Adds all ports of a rule, or, where one of them cannot be had, none.
  private func addForward(_ parameters: ControlParameters) throws(ControlFailure) -> ForwardsReport {
    let network = try network(parameters)
    let text = try required(parameters.rule, "rule", "a forward in QEMU's syntax, as tcp::2222-:22")
    let rule: HostForward
    let forwards: [PortForward]
    do {
      rule = try HostForward(rule: text)
      forwards = try rule.ports.map { try $0.portForward(firstLease: network.firstLease) }
    } catch {
      throw ControlFailure(.invalidParameter, "\(error)")
    }
    do throws(ServiceError) {
      try network.ownSockets.check(rule)
    } catch {
      throw ControlFailure(.refused, error.description)
    }
    // One by one: between two of them the loop serves its guests.
    for (index, forward) in forwards.enumerated() {
      let owner = network.loops.mailboxes[network.loops.owner(of: forward)]
      guard let error = try ask(network, owner, { .outcome(of: .addForward(forward), $0) }) else { continue }
      try remove(forwards[..<index], from: network)
      throw ControlFailure(.refused, ServiceError(error, rule: text).description)
    }
    return ForwardsReport(network: network.name, forwards: forwards.map { ForwardsReport.Forward($0) })
  }

  /// Removes all forwards of a rule, which must be there. Their connections go on.
  private func removeForward(_ parameters: ControlParameters) throws(ControlFailure) -> ForwardsReport {
    let network = try network(parameters)
    let text = try required(parameters.rule, "rule", "the host's side of a forward, as tcp::2222")
    let removal: ForwardRemoval
    do throws(HostForward.SyntaxError) {
      removal = try ForwardRemoval(rule: text)
    } catch {
      throw ControlFailure(.invalidParameter, error.description)
    }
    let forwards = try forwards(of: network).filter { removal.names(HostForward($0)) }
    guard forwards.count == removal.count else {
      throw ControlFailure(.notFound, "host forwarding rule for \(removal) not found")
    }
    try remove(forwards[...], from: network)
    return ForwardsReport(network: network.name, forwards: forwards.map { ForwardsReport.Forward($0) })
  }

  private func remove(
    _ forwards: ArraySlice<PortForward>, from network: ControlledNetwork
  ) throws(ControlFailure) {
    for forward in forwards {
      // One that has gone meanwhile is as good as removed.
      let owner = network.loops.mailboxes[network.loops.owner(of: forward)]
      _ = try ask(network, owner) { .outcome(of: .removeForward(forward.host), $0) }
    }
  }

  private func startCapture(_ parameters: ControlParameters) throws(ControlFailure) -> CaptureReport {
    let network = try network(parameters)
    var options = CaptureOptions()
    options.file = try required(parameters.file, "file", "the file to capture to")
    options.filter = parameters.filter
    options.splitsSegments = parameters.segments ?? false
    let plan: CapturePlan?
    do {
      if let length = parameters.snapLength {
        options.snapLength = try CaptureOptions.snapLength("\(length)", "snapLength")
      }
      if let rotate = parameters.rotate { options.rotation = try CaptureRotation(rotate, "rotate") }
      try options.check()
      guard options.file != "-" else { throw ServiceError("file: only --capture takes the standard output") }
      plan = try CapturePlan(options)
    } catch {
      throw ControlFailure(.invalidParameter, "\(error)")
    }
    do throws(ServiceError) {
      if let plan { try network.capture.link.start(plan) }
    } catch {
      throw ControlFailure(.refused, error.description)
    }
    return capture(of: network)
  }

  private func stopCapture(_ parameters: ControlParameters) throws(ControlFailure) -> CaptureReport {
    let network = try network(parameters)
    guard network.capture.link.stop() else { throw ControlFailure(.notFound, "nothing is captured") }
    network.capture.link.awaitEnd()
    return capture(of: network)
  }

  private func logLevel(_ parameters: ControlParameters) throws(ControlFailure) -> LogLevelReport {
    if let level = try choice(parameters.level, "level", LogLevel.allCases) { threshold.level = Logger.Level(level) }
    return LogLevelReport(level: LogLevel(threshold.level))
  }
}

// MARK: Parameters, and the way to the loops

extension ControlService {
  private func network(_ parameters: ControlParameters) throws(ControlFailure) -> ControlledNetwork {
    guard let name = parameters.network else { return networks[0] }
    guard let network = networks.first(where: { $0.name == name }) else {
      let names = networks.map(\.name).joined(separator: ", ")
      throw ControlFailure(.unknownNetwork, "network: there is no '\(name)'; give \(names)")
    }
    return network
  }

  private func choice<Value: RawRepresentable<String>>(
    _ text: String?, _ name: String, _ values: [Value]
  ) throws(ControlFailure) -> Value? {
    guard let text else { return nil }
    guard let value = Value(rawValue: text) else {
      let words = values.map(\.rawValue).joined(separator: ", ")
      throw ControlFailure(.invalidParameter, "\(name): '\(text)' is not one of \(words)")
    }
    return value
  }

  private func required(_ text: String?, _ name: String, _ form: String) throws(ControlFailure) -> String {
    guard let text else { throw ControlFailure(.invalidParameter, "\(name) is missing; give \(form)") }
    return text
  }

  /// Has a loop answer a question, the first one unless another is given.
  private func ask<Answer: Sendable>(
    _ network: ControlledNetwork, _ loop: Mailbox? = nil, _ question: (Reply<Answer>) -> LoopQuestion
  ) throws(ControlFailure) -> Answer {
    let reply = Reply<Answer>(bell)
    do throws(SystemError) {
      (loop ?? network.loops.first).send(.answer(question(reply)))
      if let answer = try reply.answer(by: MonotonicClock.now + Self.patience) { return answer }
    } catch {
      throw ControlFailure(.unavailable, error.description)
    }
    throw ControlFailure(.unavailable, "the network \(network.name) has ended, or does not answer")
  }
}
