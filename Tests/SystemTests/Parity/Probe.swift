import Simulation

/// A question to a network, of one message or several, and the name by which the table of differences knows it.
struct Probe {
  let name: String
  let ask: (inout Conversation) throws -> Void

  init(_ name: String, ask: @escaping (inout Conversation) throws -> Void) {
    self.name = name
    self.ask = ask
  }

  /// A question of one frame. `late` is the number of answers that somebody on the host has a part in.
  init(_ name: String, _ question: PlainFrame, late: Int = 0) {
    self.init(name, ask: { try $0.ask(question, late: late) })
  }
}

/// Probes of networks with the same options.
struct ProbedNetwork {
  /// What stands behind `-netdev user,`; `DIR` is the folder that TFTP serves.
  let options: String
  let probes: [Probe]
}

/// The ports from which a guest asks, by which answers are told apart.
enum ProbePort {
  static let tftp: UInt16 = 2069
  static let dns: UInt16 = 2053
  static let tcp: UInt16 = 2006
  static let udp: UInt16 = 2017
}
