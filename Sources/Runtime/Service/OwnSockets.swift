import Configuration

/// The UNIX sockets of an instance that are no forward's.
struct OwnSockets: Sendable {
  /// Where guests are.
  var links: [LinkAddress] = []
  /// Where the operator's requests are listened for, nil for nowhere.
  var control: ControlAddress?

  /// Refuses a forward in the place of one of them. The host would refuse it as well, but only after it has connected
  /// to the socket in order to see whether somebody is there: to a link as a guest.
  func check(_ forward: HostForward) throws(ServiceError) {
    guard let path = forward.path, let owner = owner(of: path) else { return }
    throw ServiceError(
      "Could not set up host forwarding rule '\(forward)': unix:\(path) is \(owner); choose another path")
  }

  private func owner(of path: String) -> String? {
    if path == control?.path { return "the control socket" }
    return links.contains(.listenUnix(path: path)) || links.contains(.connectUnix(path: path)) ? "a link" : nil
  }
}
