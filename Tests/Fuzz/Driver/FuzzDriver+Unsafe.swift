import Foundation
import FuzzTargets

// What libFuzzer calls. CULVERT_FUZZ_TARGET says which target is meant; with CULVERT_FUZZ_SEEDS the target's first inputs
// are written into that folder instead.

private let environment = ProcessInfo.processInfo.environment

private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

private func fail(_ text: String) -> Never {
  say("fuzz: \(text)")
  exit(2)
}

private let target: FuzzTarget = {
  let name = environment["CULVERT_FUZZ_TARGET"] ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fail("CULVERT_FUZZ_TARGET is '\(name)'; give \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
  }
  return target
}()

/// Writes the target's seeds into a folder, a file each.
private func writeSeeds(into folder: String) {
  for (index, seed) in target.seeds.enumerated() {
    do {
      try Data(seed).write(to: URL(fileURLWithPath: folder).appendingPathComponent("seed-\(index)"))
    } catch {
      fail("\(error)")
    }
  }
}

/// Called once, before any input.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: OpaquePointer, _ arguments: OpaquePointer) -> Int32 {
  if let folder = environment["CULVERT_FUZZ_SEEDS"] {
    writeSeeds(into: folder)
    exit(0)
  }
  return 0
}

/// Called with each input; a fault ends the process, for libFuzzer to keep what led to it.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  // SAFETY: libFuzzer lends `count` bytes for the call.
  let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  let faults = target.run(bytes)
  guard faults.isEmpty else {
    say(faults.joined(separator: "\n"))
    abort()
  }
  return 0
}
