import Foundation
import LinuxSystem
import Testing

/// What a test needs of the machine. In CI a test runs whatever is missing, and so fails; elsewhere it is skipped
/// and says what it lacks.
enum Requirement {
  /// The root of the package.
  static let package = URL(filePath: #filePath + "/../../../..", directoryHint: .notDirectory).standardized.path()

  /// The culvert to test: the release build, as `Scripts/test` makes it, or the one that CULVERT names.
  static let culvertPath =
    ProcessControl.environment("CULVERT") ?? package + "/.build/release/culvert"

  /// The bridge helper to test, which is built beside culvert.
  static let helperPath = URL(filePath: culvertPath).deletingLastPathComponent().path() + "culvert-bridge-helper"

  /// The folder with the guest's kernel and initramfs, as `Scripts/guest-image` makes it, or CULVERT_GUEST.
  static let guestFolder = ProcessControl.environment("CULVERT_GUEST") ?? package + "/.build/guest"

  static let isCI = ProcessControl.environment("CI") == "true"

  /// The test needs the culvert executable.
  static let culvert = trait(
    exists(culvertPath), "there is no \(culvertPath): build it as Scripts/test does, or set CULVERT")

  /// The test needs the bridge helper.
  static let helper = trait(exists(helperPath), "there is no \(helperPath): build it as Scripts/test does")

  /// The test needs QEMU and the guest's image.
  static let guest = trait(
    exists(guestFolder + "/initramfs") && inPath("qemu-system-x86_64"),
    "QEMU or the guest's image is missing: run Scripts/setup and Scripts/guest-image")

  /// The test needs root, for network and mount namespaces.
  static let root = trait(
    FileManager.default.isWritableFile(atPath: "/proc/sys/net/ipv4/ip_forward"), "this test needs root")

  /// The test needs these programs, by name, and files, by path.
  static func installed(_ names: String...) -> ConditionTrait {
    let missing = names.filter { $0.hasPrefix("/") ? !exists($0) : !inPath($0) }
    return trait(missing.isEmpty, "\(missing.joined(separator: ", ")) missing: run Scripts/setup")
  }

  private static func trait(_ holds: Bool, _ comment: Comment) -> ConditionTrait {
    .enabled(if: holds || isCI, comment)
  }

  private static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  private static func inPath(_ program: String) -> Bool {
    (ProcessControl.environment("PATH") ?? "").split(separator: ":").contains { exists("\($0)/\(program)") }
  }
}
