import LinuxSystem

/// The program `culvert-bridge-helper`: makes a TAP device on a bridge for a user who may have it there, and hands it over.
///
/// The program may have more rights than who starts it, so that arguments, environment, descriptors, limits and the folder
/// it starts in are a stranger's. In this order:
///
/// 1. The environment is emptied (`CBridgeHelper`); descriptors other than the socket are closed.
/// 2. Of its rights it keeps that to change the network, and is the caller in all else.
/// 3. So it reads the access lists (`AccessList`): what the caller may not read does not count for him.
/// 4. It makes the device (`BridgePort`), gives up the last right, and sends the device to the socket.
public enum HelperProgram {
  /// Does the work.
  /// - Parameter arguments: those behind the program's name.
  /// - Returns: the status to exit with.
  public static func run(_ arguments: [String]) -> Int32 {
    if arguments == ["--help"] || arguments == ["-h"] {
      StandardStream.output.write(help)
      return 0
    }
    do throws(HelperError) {
      try serve(HelperRequest(arguments))
      return 0
    } catch {
      StandardStream.error.write("culvert-bridge-helper: \(error)\n")
      return error.status
    }
  }

  private static let help = """
    usage: \(HelperRequest.usage)

    QEMU calls this program for '-netdev bridge,helper=PROGRAM,br=BRIDGE' and '-netdev tap,helper=PROGRAM,br=BRIDGE'.
    It makes a TAP device on the bridge and sends it to the socket NUMBER. Who may do that on which bridge is said by
    \(AccessList.paths.joined(separator: " and ")), in lines 'allow BRIDGE', 'deny BRIDGE' and
    'include /PATH'; a denial goes before whatever allows, and BRIDGE may be 'all'.

    """

  private static func serve(_ request: HelperRequest) throws(HelperError) {
    do throws(SystemError) {
      try ProcessControl.closeDescriptors(but: request.socket)
      try ProcessControl.forbidNewPrivileges()
    } catch {
      throw HelperError("\(error)")
    }
    let socket = try Self.socket(of: request)
    try reduceRights()
    try AccessList(reading: AccessFile.read).check(request.bridge, lookedFor: AccessList.paths)
    let device = try BridgePort.open(on: request.bridge, usesHeader: request.usesHeader)
    let isSent: Bool
    do throws(SystemError) {
      try Privileges.dropAll()
      let byte: [UInt8] = [0]
      isSent = try socket.send(byte.span, descriptors: [device.descriptor.rawValue]) != nil
    } catch {
      throw HelperError("\(error)")
    }
    guard isSent else { throw HelperError("cannot send the device: nobody reads --fd=\(request.socket)") }
  }

  /// The socket of a request, which must be a UNIX one: any other would take the byte and leave the device.
  private static func socket(of request: HelperRequest) throws(HelperError) -> Socket {
    let address: SocketAddress
    do throws(SystemError) {
      address = try Socket.localAddress(of: request.socket)
    } catch {
      throw HelperError("--fd=\(request.socket) is no UNIX socket: \(error.reason)")
    }
    guard address.endpoint == nil else { throw HelperError("--fd=\(request.socket) is no UNIX socket") }
    return Socket(FileDescriptor(owning: request.socket))
  }

  /// Keeps the right to change the network only.
  private static func reduceRights() throws(HelperError) {
    do throws(SystemError) {
      if try Privileges.mayChangeNetwork() { return try Privileges.keepNetworkOnly() }
    } catch {
      throw HelperError("\(error)")
    }
    throw HelperError(
      "this program may not change the network; root lets it by 'chown root PROGRAM' and 'chmod u+s PROGRAM', or by "
        + "'setcap cap_net_admin+ep PROGRAM'")
  }
}
