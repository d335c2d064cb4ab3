/// What is captured of a network's frames, and where to, as an operator writes it.
public struct CaptureOptions: Codable, Hashable, Sendable {
  /// The file to write, `-` for the standard output; nil for none.
  public var file: String?
  /// Which frames are captured, in the language of pcap-filter(7); nil for all.
  public var filter: String?
  /// The most bytes of each frame that are written.
  public var snapLength = defaultSnapLength
  /// When the file is put aside for another, and how many are kept; nil for never.
  public var rotation: CaptureRotation?
  /// Whether a frame that stands for several segments is written as these.
  public var splitsSegments = false

  /// What is written of each frame unless something else is asked for, in bytes: all of it.
  public static let defaultSnapLength = 262_144
  /// What may be asked for: from an Ethernet header to the most that libpcap reads.
  static let snapLengths = 14...262_144

  /// The file to write the host's side of flows to; nil for none.
  public var hostFile: String?

  /// Captures nothing.
  public init() {}

  /// Reads a snap length.
  public static func snapLength(_ text: String, _ path: String) throws(ConfigurationError) -> Int {
    guard let count = Int(text), snapLengths.contains(count) else {
      let range = "\(snapLengths.lowerBound) to \(snapLengths.upperBound)"
      throw ConfigurationError(path, "'\(text)' is out of range; give \(range) bytes")
    }
    return count
  }

  /// Refuses options that need a file to write where there is none, or mean nothing for the standard output.
  public func check() throws(ConfigurationError) {
    let ofLink = [("capture-filter", filter != nil), ("capture-segments", splitsSegments)]
    let ofBoth = [("capture-rotate", rotation != nil), ("capture-snaplen", snapLength != Self.defaultSnapLength)]
    if file == nil, let other = (hostFile == nil ? ofLink + ofBoth : ofLink).first(where: \.1) {
      throw ConfigurationError(other.0, "nothing is captured; give --capture FILE")
    }
    if let file, file.isEmpty { throw ConfigurationError("capture", "an empty path; give a file, or '-'") }
    if let hostFile {
      guard !hostFile.isEmpty, hostFile != "-" else {
        throw ConfigurationError("capture-host", "'\(hostFile)' is no file; only --capture takes the standard output")
      }
      guard hostFile != file else {
        throw ConfigurationError("capture-host", "\(hostFile) is the file of --capture; give another")
      }
    }
    if file == "-", rotation != nil {
      throw ConfigurationError("capture-rotate", "the standard output is no file that could be put aside")
    }
  }

  /// What is captured, setting by setting, by the names of the options; nothing where nothing is.
  public var settings: [(name: String, value: SettingValue)] {
    guard file != nil || hostFile != nil else { return [] }
    var settings: [(name: String, value: SettingValue)] = []
    for (name, text) in [("capture", file), ("capture-host", hostFile), ("capture-filter", filter)] {
      if let text { settings.append((name, .text(text))) }
    }
    settings.append(("capture-snaplen", .number(snapLength)))
    if let rotation { settings.append(("capture-rotate", .text(rotation.description))) }
    if file != nil { settings.append(("capture-segments", .flag(splitsSegments))) }
    return settings
  }

  /// What is to be captured of the host's side: a file of its own, with the bounds of these options; nil for nothing.
  public var ofHost: CaptureOptions? {
    guard let hostFile else { return nil }
    var options = CaptureOptions()
    (options.file, options.snapLength, options.rotation) = (hostFile, snapLength, rotation)
    return options
  }

  /// These options for the network `name` of several: a file of its own, `FILE` with the name before its extension.
  public func named(for name: String) throws(ConfigurationError) -> CaptureOptions {
    guard file != "-" else {
      throw ConfigurationError("capture", "the standard output takes one network, and there are several; give a file")
    }
    var options = self
    options.file = file.map { Self.path($0, of: name) }
    options.hostFile = hostFile.map { Self.path($0, of: name) }
    return options
  }

  private static func path(_ file: String, of name: String) -> String {
    let folder = file.lastIndex(of: "/").map { file[...$0] } ?? ""
    let base = file[folder.endIndex...]
    let end = base.lastIndex(of: ".").flatMap { $0 == base.startIndex ? nil : $0 } ?? base.endIndex
    return "\(folder)\(base[..<end])-\(name)\(base[end...])"
  }
}

/// When a capture's file is put aside for another, and how many are kept.
public struct CaptureRotation: Codable, Hashable, Sendable {
  /// The most bytes of a file; a single frame may be longer.
  public var byteCount: Int
  /// How many files there are at most, the one that is written counted.
  public var fileCount: Int

  private static let units = [("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)]
  private static let fileCounts = 1...1000

  /// Makes a rotation of its parts.
  public init(byteCount: Int, fileCount: Int) { (self.byteCount, self.fileCount) = (byteCount, fileCount) }

  /// Reads `SIZE,COUNT`, as `100MB,5`; a size without a unit is in bytes.
  public init(_ text: String, _ path: String) throws(ConfigurationError) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, let count = Int(parts[1]), Self.fileCounts.contains(count),
      let size = Self.size(String(parts[0])), size >= 1000
    else {
      throw ConfigurationError(
        path, "'\(text)' is not SIZE,COUNT, as 100MB,5: from 1kB on, and 1 to \(Self.fileCounts.upperBound) files")
    }
    self.init(byteCount: size, fileCount: count)
  }

  /// Reads a number of bytes, with a unit or without.
  static func size(_ text: String) -> Int? {
    let unit = units.first { text.hasSuffix($0.0) }
    guard let number = Int(text.dropLast(unit?.0.count ?? 0)), number > 0 else { return nil }
    let (size, overflow) = number.multipliedReportingOverflow(by: unit?.1 ?? 1)
    return overflow ? nil : size
  }
}

extension CaptureRotation: CustomStringConvertible {
  /// As it is read.
  public var description: String {
    let unit = Self.units.last { byteCount % $0.1 == 0 }
    return "\(byteCount / (unit?.1 ?? 1))\(unit?.0 ?? ""),\(fileCount)"
  }
}
