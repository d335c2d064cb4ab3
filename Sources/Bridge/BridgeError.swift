import LinuxSystem
import RouteNetlink

/// Why a bridge could not be set up, looked at or taken down, in one line: what was tried, on what, and what to do.
public struct BridgeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The line.
  public let description: String
  /// Whether it is somebody else's rules that are in the way, and not a mistake.
  public let isObstruction: Bool

  /// Makes an error of its line.
  public init(_ description: String, isObstruction: Bool = false) {
    self.description = description
    self.isObstruction = isObstruction
  }

  /// Refuses, in one line, what the kernel would refuse anyhow, but after the first steps and in words of its own.
  public static func checkPrivilege() throws(BridgeError) {
    guard try wrapping({ try Privileges.mayChangeNetwork() }) else { throw BridgeError(needsRoot) }
  }

  private static let needsRoot = "to change the host's network takes root, or CAP_NET_ADMIN and CAP_NET_RAW"

  /// Does `body`; what it throws says in its description what was tried, on what, and what to do.
  static func wrapping<Result: ~Copyable>(_ body: () throws -> Result) throws(BridgeError) -> Result {
    do {
      return try body()
    } catch let error as BridgeError {
      throw error
    } catch let error as SystemError where error.isForbidden {
      throw BridgeError("\(error); \(needsRoot)")
    } catch let error as RouteError where error.error.isForbidden {
      throw BridgeError("\(error); \(needsRoot)")
    } catch {
      throw BridgeError("\(error)")
    }
  }
}
