import LinuxSystem

/// A parameter of the kernel, as sysctl(8) has it: `net.ipv4.conf.eth0.forwarding`.
public struct KernelParameter: Codable, Hashable, Sendable {
  /// The parts of its name. That of an interface may have dots of its own.
  let parts: [String]

  init(_ parts: String...) { self.parts = parts }

  /// A parameter of one interface: `name` of IPv4 or IPv6; the interfaces "all" and "default" stand for themselves.
  static func ofInterface(_ interface: String, _ family: String, _ name: String) -> KernelParameter {
    KernelParameter("net", family, "conf", interface, name)
  }

  /// The file that holds it.
  var path: String { "/proc/sys/" + parts.joined(separator: "/") }

  /// Its value, nil where there is no such parameter: that of an interface goes with it.
  func value() throws(SystemError) -> String? {
    guard let lines = try KernelFile.lines(of: path) else { return nil }
    return lines.first ?? ""
  }

  /// Sets it.
  func set(_ value: String) throws(SystemError) { try FileDescriptor.open(writing: path).write(value) }
}

extension KernelParameter: CustomStringConvertible {
  /// The name as sysctl(8) takes it: with slashes where a part has a dot.
  public var description: String {
    parts.joined(separator: parts.contains { $0.contains(".") } ? "/" : ".")
  }
}
