/// Where an instance listens for its operator's requests, and where `culvert ctl` finds it.
public struct ControlAddress: Hashable, Sendable {
  /// The path of the socket.
  public let path: String

  /// Reads `unix:PATH`; `setting` is what an error calls it.
  public init(_ text: String, setting: String = "control") throws(ConfigurationError) {
    let address: LinkAddress?
    do throws(ConfigurationError) {
      address = try LinkAddress(text)
    } catch {
      throw ConfigurationError(setting, text.hasPrefix("unix:") ? error.description : Self.advice(text))
    }
    guard case .listenUnix(let path) = address else { throw ConfigurationError(setting, Self.advice(text)) }
    self.path = path
  }

  private static func advice(_ text: String) -> String {
    "'\(text)' is not the path of a socket; write unix:\(text.hasPrefix("/") ? text : "/run/user/1000/culvert.sock")"
  }
}

extension ControlAddress: CustomStringConvertible {
  /// `unix:PATH`.
  public var description: String { "unix:\(path)" }
}
