import Foundation
import FuzzTargets
import Testing

/// What fuzzing has kept is run by the ordinary tests too, without libFuzzer.
@Suite struct FuzzCorpusTests {
  @Test(arguments: FuzzTarget.allCases)
  func `every input that fuzzing has kept is taken without a fault`(_ target: FuzzTarget) throws {
    let folder = captures.appendingPathComponent("Corpus/\(target.rawValue)")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(!files.isEmpty, "nothing is kept in \(folder.path)")
    for file in files { try run(target, file) }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `every input to begin with is taken without a fault`(_ target: FuzzTarget) {
    #expect(!target.seeds.isEmpty)
    for seed in target.seeds {
      let faults = target.run(seed)
      #expect(faults.isEmpty, "\(seed): \(faults.joined(separator: "\n"))")
    }
  }

  /// A failure that was found by fuzzing is kept by what broke, with the target's name for its extension.
  @Test func `nothing that fuzzing has found is broken again`() throws {
    let folder = captures.appendingPathComponent("Regressions")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    for file in files {
      guard let target = FuzzTarget(rawValue: file.pathExtension) else { continue }
      try run(target, file)
    }
  }

  private func run(_ target: FuzzTarget, _ file: URL) throws {
    let faults = target.run(Array(try Data(contentsOf: file)))
    #expect(faults.isEmpty, "\(file.lastPathComponent): \(faults.joined(separator: "\n"))")
  }

  private var captures: URL {
    URL(fileURLWithPath: #filePath).appendingPathComponent("../../../Captures").standardizedFileURL
  }
}
