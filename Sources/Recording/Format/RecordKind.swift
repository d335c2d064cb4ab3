/// What a record is of: its first byte.
enum RecordKind: UInt8 {
  // Inputs, each with its time.
  case attach = 1
  case detach = 2
  case receive = 3
  case hostReady = 4
  case linkReady = 5
  case advance = 6
  case apply = 7
  case shutDown = 8
  case undelivered = 9
  /// The end of the recording.
  case end = 15

  // What an input returned.
  case outcome = 16
  case count = 17

  // Calls of the host.
  case connect = 32
  case connectService = 33
  case openPair = 34
  case finishConnecting = 35
  case listen = 36
  case accept = 37
  case openDatagrams = 38
  case openEcho = 39
  case close = 40
  case receiveStream = 41
  case discard = 42
  case send = 43
  case sendSpace = 44
  case requestWritable = 45
  case unacknowledged = 46
  case finishWriting = 47
  case receiveDatagrams = 48
  case sendDatagrams = 49
  case takeError = 50
  case openFile = 51
  case readFile = 52

  // Calls of the sink.
  case reserve = 64
  case commit = 65
  case cancel = 66
  case forward = 67
  case handOver = 68

  /// Whether the core is called, and not the world by the core.
  var isInput: Bool { rawValue <= Self.end.rawValue }
}
