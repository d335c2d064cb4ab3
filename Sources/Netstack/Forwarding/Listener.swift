/// A place of the host at which a forward waits for clients.
struct Listener {
  let forward: PortForward
  /// Whether it waits in the work queue to go on accepting.
  var isQueued = false
}
