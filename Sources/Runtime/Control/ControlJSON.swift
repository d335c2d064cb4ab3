import FoundationEssentials

/// Requests and answers as lines of JSON.
public enum ControlJSON {
  /// Reads a request.
  package static func request(_ line: [UInt8]) throws(ControlFailure) -> ControlRequest {
    do {
      return try JSONDecoder().decode(ControlRequest.self, from: Data(line))
    } catch let error as DecodingError {
      throw ControlFailure(error)
    } catch {
      throw ControlFailure(.invalidRequest, "\(error)")
    }
  }

  /// An answer that holds a result.
  static func line<Result: Codable>(_ result: Result, id: ControlID?) -> [UInt8] {
    encoded(ControlAnswer(id: id, result: result))
  }

  /// An answer that holds an error.
  package static func line(_ failure: ControlFailure, id: ControlID?) -> [UInt8] {
    encoded(ControlAnswer<String>(id: id, error: failure))
  }

  /// A request as a line.
  package static func line(_ request: ControlRequest) -> [UInt8] { encoded(request) }

  /// Reads the result of an answer, or throws its error.
  static func result<Result: Codable>(of line: [UInt8], as type: Result.Type) throws(ControlFailure) -> Result {
    let answer: ControlAnswer<Result>
    do {
      answer = try JSONDecoder().decode(ControlAnswer<Result>.self, from: Data(line))
    } catch {
      throw ControlFailure(.invalidJSON, "the answer makes no sense: \(error)")
    }
    if let failure = answer.error { throw failure }
    guard let result = answer.result else { throw ControlFailure(.invalidRequest, "the answer holds no result") }
    return result
  }

  /// A result as the text that stands in an answer.
  public static func text<Value: Encodable>(_ value: Value) -> String {
    String(decoding: encoded(value), as: UTF8.self)
  }

  private static func encoded<Value: Encodable>(_ value: Value) -> [UInt8] {
    let encoder = JSONEncoder()
    // The same value is the same line, whoever writes it.
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value))
    } catch {
      preconditionFailure("a value of texts and whole numbers does not become JSON: \(error)")
    }
  }
}

extension ControlFailure {
  /// What is wrong with a request, for whoever wrote it.
  fileprivate init(_ error: DecodingError) {
    func place(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "" : path.map(\.stringValue).joined(separator: ".") + ": "
    }
    switch error {
    case .dataCorrupted(let context) where context.codingPath.isEmpty:
      self.init(.invalidJSON, "the line is not JSON (RFC 8259)")
    case .keyNotFound(let key, let context):
      self.init(.invalidRequest, "\(place(context.codingPath))'\(key.stringValue)' is missing")
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      self.init(.invalidRequest, "\(place(context.codingPath))\(context.debugDescription)")
    @unknown default:
      self.init(.invalidRequest, "\(error)")
    }
  }
}
