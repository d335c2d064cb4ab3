import LinuxSystem
import Primitives

/// The host's `resolv.conf`, and the folders whose changes may change it.
///
/// Folders, because programs replace the file by renaming another over it; several, because it often is a symbolic
/// link into a folder of the program that writes it.
struct ResolverWatch: ~Copyable {
  /// A name whose change may change what `path` leads to.
  private struct Step: Hashable {
    var folder: String
    var name: String
  }

  /// The file's path.
  let path: String
  /// The servers that the file named when it was last read; the local host's where there was no file.
  private(set) var servers: [Endpoint] = []
  private let registrar: EventRegistrar
  private let data: UInt64
  private var steps: [Step] = []
  private var watches: [FolderWatch] = []

  /// Reads the file at `path` and watches it: what may change it is told to `registrar`'s queue with `data`.
  init(path: String, registrar: EventRegistrar, data: UInt64) throws(SystemError) {
    self.path = path
    self.registrar = registrar
    self.data = data
    try follow()
    servers = try read()
  }

  /// Takes the changes that wait.
  /// - Returns: the servers, where they are others than before.
  mutating func takeChange() throws(SystemError) -> [Endpoint]? {
    var isTouched = false
    for watch in watches {
      let names = try watch.changedNames()
      let relevant = steps.lazy.filter { $0.folder == watch.folder }
      if names.contains("") || relevant.contains(where: { names.contains($0.name) }) { isTouched = true }
    }
    guard isTouched else { return nil }
    try follow()
    let current = try read()
    guard current != servers else { return nil }
    servers = current
    return current
  }

  private func read() throws(SystemError) -> [Endpoint] {
    do {
      return ResolverConfiguration(try FileDescriptor.contents(of: path)).servers
    } catch  where error.isNotFound {
      return ResolverConfiguration("").servers
    }
  }

  /// Finds the folders that lead to the file, and watches those of them that exist.
  private mutating func follow() throws(SystemError) {
    steps = try Self.steps(to: path)
    let folders = steps.map(\.folder)
    watches.removeAll { !folders.contains($0.folder) || $0.isGone }
    for folder in folders where !watches.contains(where: { $0.folder == folder }) {
      do {
        let watch = try FolderWatch(folder)
        try registrar.add(watch.descriptor, for: .readable, data: data)
        watches.append(watch)
      } catch  where error.isNotFound {
        // A link into a folder that is not there yet. Its making goes unnoticed until the link itself is renewed.
        continue
      }
    }
  }

  /// The file's own folder and name, then those of what it links to, and so on, as far as links are followed by the
  /// system (path_resolution(7)).
  private static func steps(to path: String) throws(SystemError) -> [Step] {
    var steps: [Step] = []
    var current = path
    for _ in 0..<40 {
      let slash = current.lastIndex(of: "/")
      let folder = slash.map { $0 == current.startIndex ? "/" : String(current[..<$0]) } ?? "."
      let name = slash.map { String(current[current.index(after: $0)...]) } ?? current
      steps.append(Step(folder: folder, name: name))
      do {
        guard let target = try FileSystem.linkTarget(of: current) else { return steps }
        current = target.hasPrefix("/") ? target : folder + "/" + target
      } catch  where error.isNotFound {
        return steps
      }
    }
    return steps
  }
}

/// One watched folder, shared so that a list of them can be kept.
private final class FolderWatch {
  let folder: String
  private let watch: DirectoryWatch
  private(set) var isGone = false

  init(_ folder: String) throws(SystemError) {
    self.folder = folder
    watch = try DirectoryWatch(path: folder)
  }

  var descriptor: Int32 { watch.descriptor.rawValue }

  func changedNames() throws(SystemError) -> Set<String> {
    let names = try watch.changedNames()
    // A folder that is removed reports itself; a watch does not follow to another of the same name.
    if names.contains("") { isGone = true }
    return names
  }
}
