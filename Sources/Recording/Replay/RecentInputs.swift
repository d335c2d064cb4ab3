import Primitives

/// The records of the latest inputs, kept as they are: they are read again only if a difference is to be told.
struct RecentInputs {
  private var records = [[UInt8]](repeating: [], count: RecentInputs.limit)
  private var total = 0
  /// Where the record begins that is read, and in how many bytes.
  private var start = 0

  /// How many are kept: the one that is carried out, and ten before it.
  private static var limit: Int { 11 }

  /// The next record begins.
  mutating func begin(_ decoder: RecordDecoder) { start = decoder.offset }

  /// It has ended.
  mutating func end(_ decoder: RecordDecoder) {
    let place = total % Self.limit
    records[place].removeAll(keepingCapacity: true)
    records[place].append(contentsOf: decoder.bytes[start..<decoder.offset])
    total += 1
  }

  /// The inputs, the oldest first, the last of which is carried out.
  var inputs: [ReplayInput] {
    (max(0, total - Self.limit)..<total).compactMap { number in
      var decoder = RecordDecoder(records[number % Self.limit])
      do throws(RecordingError) {
        return try ReplayInput(from: &decoder, number: number + 1)
      } catch {
        return nil
      }
    }
  }
}
