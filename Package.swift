// swift-tools-version: 6.2
import PackageDescription

/// What every target of the package is compiled with: the language checks, with warnings as errors.
let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let basicContainers: Target.Dependency = .product(name: "BasicContainers", package: "swift-collections")

let package = Package(
  name: "culvert",
  products: [
    .executable(name: "culvert", targets: ["culvert"]),
    .executable(name: "culvert-bridge-helper", targets: ["culvert-bridge-helper"]),
    .library(name: "Netstack", targets: ["Netstack", "Buffers", "Wire", "Primitives"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    // The embeddable core: no Foundation, no Glibc, no I/O.
    .target(name: "Primitives", swiftSettings: settings),
    .target(name: "Buffers", dependencies: ["Primitives"], swiftSettings: settings),
    .target(name: "Wire", dependencies: ["Primitives"], swiftSettings: settings),
    .target(
      name: "Netstack", dependencies: ["Primitives", "Buffers", "Wire", basicContainers], swiftSettings: settings),
    .target(
      name: "Recording", dependencies: ["Primitives", "Buffers", "Wire", "Netstack"], exclude: ["README.md"],
      swiftSettings: settings),
    .target(
      name: "Simulation",
      dependencies: ["Primitives", "Buffers", "Wire", "Netstack", "Capture", "Recording", "LinuxSystem"],
      swiftSettings: settings),

    // The edge: Linux.
    .target(name: "CLinux"),
    .target(name: "LinuxSystem", dependencies: ["CLinux", "Primitives"], swiftSettings: settings),
    .target(name: "RouteNetlink", dependencies: ["LinuxSystem", "Primitives"], swiftSettings: settings),
    .target(
      name: "Links", dependencies: ["Primitives", "Buffers", "Netstack", "LinuxSystem"], swiftSettings: settings),
    .target(
      name: "HostSockets", dependencies: ["Primitives", "Buffers", "Netstack", "LinuxSystem", "CLinux"],
      swiftSettings: settings),
    .target(name: "CPcap", dependencies: ["CLinux"]),
    .target(name: "Capture", dependencies: ["Primitives", "Wire", "LinuxSystem", "CPcap"], swiftSettings: settings),
    .target(name: "CNftables", dependencies: ["CLinux"]),
    .target(name: "Nftables", dependencies: ["CNftables", "LinuxSystem", "Primitives"], swiftSettings: settings),
    // A program of its own, since it may be setuid: nothing that it does not need is in it.
    .target(
      name: "BridgeHelper", dependencies: ["Primitives", "LinuxSystem", "RouteNetlink"], exclude: ["README.md"],
      swiftSettings: settings),
    .target(name: "CBridgeHelper"),
    .executableTarget(
      name: "culvert-bridge-helper", dependencies: ["BridgeHelper", "CBridgeHelper"], swiftSettings: settings),

    // The program.
    .target(name: "Configuration", dependencies: ["Primitives"], swiftSettings: settings),
    .target(
      name: "Bridge",
      dependencies: [
        "Primitives", "Wire", "Netstack", "LinuxSystem", "RouteNetlink", "Nftables", "Configuration", "BridgeHelper",
      ], swiftSettings: settings),
    .target(
      name: "Runtime",
      dependencies: [
        "Primitives", "Buffers", "Wire", "Netstack", "Capture", "Recording", "LinuxSystem", "RouteNetlink", "Links",
        "HostSockets", "Configuration", "Bridge", "BridgeHelper", "Nftables",
        basicContainers, .product(name: "Logging", package: "swift-log"), "TOMLKit",
      ], exclude: ["Control/README.md"], swiftSettings: settings),
    .executableTarget(
      name: "culvert",
      dependencies: [
        "Runtime", "Bridge", "Simulation", "Capture", "Recording", "Configuration", "LinuxSystem", "RouteNetlink",
        "Netstack", "Primitives",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: settings),
    .target(name: "CAllocationCounter"),
    .executableTarget(
      name: "Benchmarks",
      dependencies: [
        "Primitives", "Buffers", "Wire", "Netstack", "Simulation", "LinuxSystem", "CAllocationCounter",
      ],
      swiftSettings: settings),

    .executableTarget(name: "LabScenarios", dependencies: ["Simulation"], swiftSettings: settings),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Primitives", "Buffers", "Wire", "Netstack", "Simulation", "LinuxSystem", "Links", "Configuration", "Runtime",
        "Capture", "Recording", "Bridge", "BridgeHelper", "Nftables", "RouteNetlink",
      ], path: "Tests/Fuzz/Targets", swiftSettings: settings),

    .testTarget(name: "PrimitivesTests", dependencies: ["Primitives"], swiftSettings: settings),
    .testTarget(name: "BuffersTests", dependencies: ["Primitives", "Buffers"], swiftSettings: settings),
    .testTarget(name: "WireTests", dependencies: ["Primitives", "Wire"], swiftSettings: settings),
    .testTarget(
      name: "NetstackTests", dependencies: ["Primitives", "Buffers", "Wire", "Netstack", "Simulation"],
      swiftSettings: settings),
    .testTarget(
      name: "RecordingTests",
      dependencies: ["Primitives", "Buffers", "Wire", "Netstack", "Recording", "Simulation"], swiftSettings: settings),
    .testTarget(
      name: "SimulationTests", dependencies: ["Primitives", "Buffers", "Wire", "Netstack", "Simulation", "Capture"],
      swiftSettings: settings),
    .testTarget(
      name: "LinuxSystemTests", dependencies: ["LinuxSystem", "CLinux", "Primitives"], swiftSettings: settings),
    .testTarget(
      name: "RouteNetlinkTests", dependencies: ["RouteNetlink", "LinuxSystem", "Primitives"], swiftSettings: settings),
    .testTarget(name: "BridgeHelperTests", dependencies: ["BridgeHelper", "LinuxSystem"], swiftSettings: settings),
    .testTarget(
      name: "NftablesTests", dependencies: ["Nftables", "LinuxSystem", "Primitives"], swiftSettings: settings),
    .testTarget(
      name: "BridgeTests",
      dependencies: [
        "Bridge", "Configuration", "Nftables", "LinuxSystem", "RouteNetlink", "Netstack", "Wire", "Primitives",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "CaptureTests", dependencies: ["Capture", "Wire", "LinuxSystem", "Primitives"], swiftSettings: settings),
    .testTarget(
      name: "HostSocketsTests",
      dependencies: ["HostSockets", "LinuxSystem", "CLinux", "Netstack", "Buffers", "Primitives"],
      swiftSettings: settings),
    .testTarget(
      name: "LinksTests", dependencies: ["Links", "LinuxSystem", "Netstack", "Buffers", "Primitives", "Simulation"],
      swiftSettings: settings),
    .testTarget(
      name: "ConfigurationTests", dependencies: ["Configuration", "Primitives"], swiftSettings: settings),
    .testTarget(
      name: "RuntimeTests",
      dependencies: [
        "culvert", "Runtime", "Configuration", "Capture", "LinuxSystem", "RouteNetlink", "Links", "HostSockets",
        "Netstack", "Primitives", "Simulation", "Recording",
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: settings),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: settings),
    .testTarget(
      name: "ReplayTests",
      dependencies: ["Capture", "Simulation", "Runtime", "Configuration", "Netstack", "Primitives"],
      swiftSettings: settings),
    .testTarget(
      name: "SystemTests",
      dependencies: ["LinuxSystem", "Primitives", "Simulation", "Bridge", "Netstack", "Recording", "RouteNetlink"],
      exclude: ["Parity/Differences.md"], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

// What libFuzzer is linked with (Scripts/fuzz): it has the program's entry, so that no other build can have it.
if Context.environment["CULVERT_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver",
      swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]))
}

// What ThreadSanitizer looks at (Scripts/sanitize): our own targets but for one, since the compiler breaks off when it
// is to instrument that one or those of others.
if Context.environment["CULVERT_TSAN"] != nil {
  for target in package.targets where target.type != .system && target.name != "Recording" {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=thread"])]
    target.linkerSettings = (target.linkerSettings ?? []) + [.unsafeFlags(["-sanitize=thread"])]
  }
}
