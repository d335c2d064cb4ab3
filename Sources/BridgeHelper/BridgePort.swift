public import LinuxSystem
import Primitives
public import RouteNetlink

/// Ports of a bridge for guests.
public enum BridgePort {
  /// Makes a TAP device that is a port of a bridge and up, and goes with its descriptor; in the network namespace of the
  /// calling thread.
  /// - Parameter usesHeader: whether frames have a header before them (`struct virtio_net_hdr`).
  public static func open(on bridge: String, usesHeader: Bool) throws(HelperError) -> UnreadTAPDevice {
    var routes = try openRoutes()
    // Before there is a device: what is no bridge is the likeliest mistake.
    _ = try find(bridge, by: &routes)
    let device = try makeDevice(usesHeader: usesHeader)
    try attach(device.name, to: bridge, by: &routes)
    return device
  }

  private static func openRoutes() throws(HelperError) -> RouteSocket {
    do throws(SystemError) { return try RouteSocket() } catch { throw HelperError("\(error)") }
  }

  private static func makeDevice(usesHeader: Bool) throws(HelperError) -> UnreadTAPDevice {
    do throws(SystemError) {
      return try UnreadTAPDevice(name: "tap%d", usesHeader: usesHeader)
    } catch  where error.subject == TAPDevice.path && error.isForbidden {
      throw HelperError("\(error); 'chmod 666 \(TAPDevice.path)', as root, allows it")
    } catch {
      throw HelperError("\(error)")
    }
  }

  /// Makes a TAP device a port of a bridge, with the bridge's MTU, and up.
  ///
  /// The first byte of its hardware address becomes 0xfe: a bridge takes for its own the least address of its ports, which
  /// this one then never is, so that the host does not change its address when guests come and go.
  public static func attach(
    _ name: String, to bridge: String, by routes: inout RouteSocket
  ) throws(HelperError) {
    let mtu = try find(bridge, by: &routes).mtu
    do throws(RouteError) {
      // A TAP device has one; without, the kernel would refuse it.
      let high = try routes.require(name).hardware.map { MACAddress(bits: $0.bits & 0xff_ffff_ffff | 0xfe << 40) }
      try routes.attach(name, to: bridge, InterfaceChange(isUp: true, mtu: mtu, hardware: high))
    } catch {
      throw HelperError("\(error)")
    }
  }

  /// What is known of a bridge, which must be one.
  public static func find(_ bridge: String, by routes: inout RouteSocket) throws(HelperError) -> InterfaceState {
    let found: InterfaceState?
    do throws(RouteError) {
      found = try routes.interface(named: bridge)
    } catch {
      throw HelperError("\(error)")
    }
    guard let found else {
      throw HelperError("there is no bridge '\(bridge)'; 'culvert bridge up --bridge \(bridge)', as root, makes it")
    }
    guard found.isBridge else { throw HelperError("the interface '\(bridge)' is no bridge") }
    return found
  }
}
