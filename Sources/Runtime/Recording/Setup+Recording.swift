import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

extension Setup {
  /// Makes the folder that recordings go to, for this user alone, unless it is there.
  func makeRecordingFolder() throws(ServiceError) {
    guard let folder = options.record else { return }
    do throws(SystemError) {
      try FileSystem.makeFolder(folder, mode: 0o700)
    } catch  where error.isTaken {
      // As it is: its files are for this user alone all the same.
    } catch {
      throw ServiceError("record '\(folder)': \(error.reason); give a folder that can be made or written to")
    }
  }

  /// Begins to record a loop, where that was asked for.
  func record(
    _ settings: NetworkSettings, seed: (UInt64, UInt64, UInt64, UInt64), loop: Int, of count: Int,
    secret: (UInt64, UInt64), logger: Logger
  ) throws -> LoopRecording? {
    guard let folder = options.record else { return nil }
    let path = "\(folder)/\(networkName)-loop\(loop)\(RecordingFolder.suffix)"
    let file: RecordingFile
    do throws(SystemError) {
      file = try RecordingFile(path: path, logger: logger)
    } catch  where error.isTaken {
      throw ServiceError("record '\(folder)': there is a recording in it already; give another folder, or empty it")
    } catch {
      throw ServiceError("record '\(path)': \(error.reason); give a folder that can be written to")
    }
    let head = RecordingHead(
      settings: settings, seed: seed, loop: loop, of: count, steeringSecret: secret, isRedacted: options.recordRedact,
      network: networkName, program: Version.current, wallClock: WallClock.offset, origin: .zero)
    let key = try ProcessControl.randomSeed()
    let writer = file.writer
    let recorder = Recorder(head, limit: options.recordLimit, redactionKey: (key.0, key.1)) { block, isLast in
      writer.append(block, isLast: isLast)
    } stopped: { end in
      if !writer.hasFailed { logger.warning("record '\(path)': \(end); the network goes on") }
    }
    logger.info("recording to \(path)\(options.recordRedact ? ", without payload" : "")")
    return LoopRecording(recorder: recorder, file: file)
  }
}

/// The recording of a loop: who tells of it, and who writes it.
final class LoopRecording {
  let recorder: Recorder
  private var file: RecordingFile?

  init(recorder: Recorder, file: consuming RecordingFile) {
    self.recorder = recorder
    self.file = consume file
  }

  /// Ends it, and waits until everything is written.
  func finish() {
    recorder.finish()
    file.take()?.close()
  }
}

extension ServiceOptions {
  /// What is captured of a network: what was asked for, or else its frames beside its recording, in files as long
  /// together as two recordings. Not where payload is kept out of that.
  func captureBesideRecording(of network: String) -> CaptureOptions {
    guard let record, !recordRedact, capture.file == nil else { return capture }
    var options = capture
    options.file = "\(record)/\(network).pcap"
    options.rotation = options.rotation ?? CaptureRotation(byteCount: recordLimit, fileCount: 2)
    return options
  }
}

/// The files of a recording.
public enum RecordingFolder {
  /// How their names end.
  public static let suffix = ".recording"
}
