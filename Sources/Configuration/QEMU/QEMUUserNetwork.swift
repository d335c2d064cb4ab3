extension NetworkOptions {
  /// Reads the value of QEMU's `-netdev user,...`, with or without `user` at its start: `key=value` items between
  /// commas, a doubled comma for a comma, or a JSON object.
  ///
  /// What is said of the network device beside it (`id`) is left out.
  public init(user text: String) throws(ConfigurationError) {
    try self.init(userPairs: QEMUProperties(text).pairs)
  }

  /// The same of a value that was taken apart.
  init(userPairs pairs: [(key: String, value: String)]) throws(ConfigurationError) {
    self.init()
    for (key, value) in pairs where key != "type" && key != "id" {
      if !key.isEmpty {
        try take(key, value, path: "user.\(key)")
      } else if value != "user" && !value.isEmpty {
        // A word alone at the start that is not the kind of network is a switch.
        try take(value, "on", path: "user.\(value)")
      }
    }
  }
}

extension Bool {
  /// Reads a switch as QEMU writes them: `on`, `yes`, `true` or `y`, and their opposites.
  public init?(qemuSwitch text: String) {
    switch text {
    case "on", "yes", "true", "y": self = true
    case "off", "no", "false", "n": self = false
    default: return nil
    }
  }
}
