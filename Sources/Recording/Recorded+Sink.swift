public import Buffers
public import Netstack

extension Recorded: FrameSink where Base: FrameSink & ~Copyable {
  /// Lends slots, and tells of it.
  public mutating func reserve(_ request: SlotRequest) -> SlotRun? {
    guard let recorder else { return base.reserve(request) }
    guard let run = base.reserve(request) else {
      recorder.noteReservation(request, nil)
      return nil
    }
    recorder.noteReservation(request, run.count)
    return run
  }

  /// The header bytes of a slot.
  @_lifetime(&self)
  public mutating func header(_ slot: Int, of run: borrowing SlotRun) -> MutableSpan<UInt8> {
    base.header(slot, of: run)
  }

  /// The payload of all slots.
  @_lifetime(&self)
  public mutating func payload(of run: borrowing SlotRun) -> ByteRegions { base.payload(of: run) }

  /// Sends frames, and tells of them.
  public mutating func commit(
    _ run: consuming SlotRun, slots: Int, lastPayload: Int, as descriptor: FrameDescriptor
  ) {
    recorder?.noteFrames(of: run, slots: slots, lastPayload: lastPayload, as: descriptor, in: &base)
    base.commit(run, slots: slots, lastPayload: lastPayload, as: descriptor)
  }

  /// Takes a run back, and tells of it.
  public mutating func cancel(_ run: consuming SlotRun) {
    base.cancel(run)
    recorder?.note(.cancel)
  }

  /// Sends a guest's frame to other guests, and tells of it.
  public mutating func forward(_ frame: Int, of batch: borrowing FrameBatch, to ports: EgressPorts) {
    base.forward(frame, of: batch, to: ports)
    recorder?.note(.forward(frame: frame, to: ports))
  }

  /// Hands a frame to another loop, and tells of it.
  public mutating func handOver(_ frame: Int, of batch: borrowing FrameBatch, to loop: Int) -> Bool {
    let isTaken = base.handOver(frame, of: batch, to: loop)
    recorder?.note(
      .handingOver(frame, of: batch, to: loop, isRedacted: recorder?.isRedacting == true), wasTaken: isTaken)
    return isTaken
  }
}

extension RecordedCall {
  /// A frame for another loop.
  static func handingOver(
    _ frame: Int, of batch: borrowing FrameBatch, to loop: Int, isRedacted: Bool
  ) -> RecordedCall {
    let byteCount = Int(batch.descriptor(frame).byteCount)
    var digest = RecordDigest()
    if !isRedacted {
      batch.forEachSpan(of: PayloadSlice(frame: frame, offset: 0, count: byteCount)) { digest.add($0) }
    }
    return .handOver(frame: frame, to: loop, byteCount: byteCount, digest: digest.value)
  }
}
