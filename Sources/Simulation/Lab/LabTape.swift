import Recording

/// What was recorded of a loop of the lab.
final class LabTape {
  /// The recording so far.
  private(set) var bytes: [UInt8] = []
  private(set) var recorder: Recorder?

  /// The secret of what is redacted; in the lab nobody is to be kept from anything.
  private static var redactionKey: (UInt64, UInt64) { (0x6c61_6221, 0x6c61_6222) }

  /// Begins to record.
  func record(_ head: RecordingHead, limit: Int) -> Recorder {
    let recorder = Recorder(head, limit: limit, redactionKey: Self.redactionKey) { [unowned self] block, _ in
      bytes += block
      return true
    }
    self.recorder = recorder
    return recorder
  }
}

extension Lab {
  /// Ends the recordings, and returns that of each loop.
  public func finishRecordings() -> [[UInt8]] {
    for tape in tapes { tape.recorder?.finish() }
    return tapes.map(\.bytes)
  }
}
