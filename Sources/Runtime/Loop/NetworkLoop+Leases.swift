import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

// What DHCP has granted, kept in a file, and what it keeps for namespaces.
extension NetworkLoop where Host: ~Copyable {
  /// Takes over the leases in the file at `path`, and keeps the network's in it from now on.
  mutating func keepLeases(in path: String) throws(ServiceError) {
    var file = LeaseFile(path: path)
    for lease in try file.read(at: now) {
      do throws(CommandError) {
        try stack.apply(.restoreLease(lease), at: now, into: &links)
      } catch {
        // That a lease has ended meanwhile is as it should be.
        let isUsual = error == .leaseRefused(lease, .ended)
        logger.log(level: isUsual ? .info : .warning, "lease-file '\(path)': \(error.words)")
      }
    }
    file = LeaseFile(path: path, revision: stack.core.leaseRevision)
    do throws(SystemError) {
      // At once: a file that cannot be written is told before anything starts.
      try file.write(stack.core.restorableLeases(at: now), at: now)
    } catch {
      throw ServiceError("lease-file '\(path)': \(error.reason)")
    }
    leaseFile = file
  }

  /// Gives a guest that does not ask the addresses that DHCP would give to it.
  mutating func assignAddresses(to hardware: MACAddress) throws(ServiceError) -> [IPAddress] {
    do throws(CommandError) {
      try stack.apply(.assignAddresses(to: hardware), at: now, into: &links)
    } catch {
      throw ServiceError("there is no address for another namespace: \(error.words)")
    }
    let addresses = stack.core.assignedAddresses(of: hardware)
    logger.info("\(addresses.map(\.description).joined(separator: ", ")): kept for a namespace, \(hardware)")
    return addresses
  }

  /// Writes the file of leases where that is due, or, at the end, where anything is still to be written.
  mutating func writeLeases(isEnd: Bool = false) {
    leaseFile?.note(stack.core.leaseRevision, at: now)
    guard let due = leaseFile?.due, due <= now || isEnd && leaseFile?.isBehind == true else { return }
    do throws(SystemError) {
      try leaseFile?.write(stack.core.restorableLeases(at: now), at: now)
    } catch {
      let path = leaseFile?.path ?? ""
      logger.error("lease-file '\(path)': \(error.reason); leases are kept in memory until it can be written")
    }
  }
}
