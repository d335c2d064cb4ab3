import Capture
public import Configuration
import LinuxSystem
import Synchronization

/// What is to be captured and where to, checked: the filter is compiled.
struct CapturePlan: Sendable {
  /// As it was asked for.
  let options: CaptureOptions
  /// The file, or "-".
  let path: String
  private let filter: CompiledFilter?
  private let output: CapturedOutput?

  /// A filter that several captures use, one after the other.
  private final class CompiledFilter: Sendable {
    let filter: CaptureFilter

    init(_ expression: String) throws(CaptureError) { filter = try CaptureFilter(expression) }
  }

  /// Checks options that name a file. "-" takes the standard output over: what else is written there from now on, by this
  /// process and those that it starts, goes where messages go.
  init?(_ options: CaptureOptions) throws(ServiceError) {
    guard let path = options.file else { return nil }
    self.options = options
    self.path = path
    do throws(CaptureError) {
      filter = try options.filter.map { text throws(CaptureError) in try CompiledFilter(text) }
    } catch {
      throw ServiceError(error.description)
    }
    do throws(SystemError) {
      output = path == "-" ? try CapturedOutput() : nil
    } catch {
      throw ServiceError("capture to the standard output: \(error)")
    }
  }

  /// Whether a frame is wanted.
  func wants(_ bytes: Span<UInt8>, originalLength: Int) -> Bool {
    filter?.filter.matches(bytes, originalLength: originalLength) ?? true
  }

  /// How much of a frame must be there: all of it, where segments are cut out of it, and for a filter at least the
  /// headers.
  var copyLimit: Int {
    if options.splitsSegments { return .max }
    return filter == nil ? options.snapLength : max(options.snapLength, 512)
  }

  /// Opens a file; the standard output is there once.
  func makeWriter() throws(CaptureError) -> CaptureWriter {
    guard let output else { return try CaptureWriter(path: path, snapLength: options.snapLength) }
    guard let descriptor = output.take() else {
      throw .unwritable(path: path, number: 0, reason: "a capture there has ended, and another would not be understood")
    }
    return try CaptureWriter(descriptor: descriptor, name: path, snapLength: options.snapLength)
  }
}

extension ServiceOptions {
  /// Checks what is to be captured, the filter included, without opening anything.
  public func checkCapture() throws(ServiceError) {
    try ServiceError.wrapping {
      try capture.check()
      if let filter = capture.filter { _ = try CaptureFilter(filter) }
    }
  }
}

/// The standard output, taken over for a capture.
private final class CapturedOutput: Sendable {
  private let descriptor: Mutex<FileDescriptor?>

  init() throws(SystemError) {
    descriptor = Mutex(try FileDescriptor.duplicate(of: StandardStream.output.rawValue))
    try StandardStream.output.redirect(to: .error)
  }

  /// Gives it up to the caller, once.
  func take() -> FileDescriptor? {
    descriptor.withLock { $0.take() }
  }
}
