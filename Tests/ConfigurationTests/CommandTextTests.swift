import Testing

@testable import Configuration

/// Cutting a command into words as a POSIX shell does (XCU section 2.2), and no more.
struct CommandTextTests {
  @Test(
    arguments: [
      ("cat", ["cat"]),
      (" netcat\t10.10.1.1  4321 ", ["netcat", "10.10.1.1", "4321"]),
      ("sh -c 'echo $HOME | tr a b'", ["sh", "-c", "echo $HOME | tr a b"]),
      (#"printf "%s\n" "a \"b\" \$c \\ \d""#, ["printf", #"%s\n"#, #"a "b" $c \ \d"#]),
      (#"a\ b \'c\" '\'"#, ["a b", #"'c""#, #"\"#]),
      ("x'y z'\"w\" '' \"\"", ["xy zw", "", ""]),
      ("one \\\ntwo thr\\\nee \"fo\\\nur\"", ["one", "two", "three", "four"]),
      ("a #b c\nd e#f '#g'", ["a", "d", "e#f", "#g"]),
      ("ls * ~ `id` $(id) ; true", ["ls", "*", "~", "`id`", "$(id)", ";", "true"]),
    ] as [(String, [String])])
  func `blanks part words, but quoted ones; nothing is expanded`(text: String, words: [String]) throws {
    #expect(try CommandText(text).words == words)
  }

  @Test(arguments: ["'", "echo \"a", "echo 'a\"", "echo \\", #"echo "\"#, #"echo "a\""#])
  func `a quotation without an end is told of`(text: String) {
    let error = #expect(throws: CommandText.SyntaxError.self) { try CommandText(text) }
    #expect(error?.description == "a quotation in '\(text)' has no end")
  }

  @Test(arguments: ["", " \t\n", "# cat"])
  func `a text without a word is no command`(text: String) {
    let error = #expect(throws: CommandText.SyntaxError.self) { try CommandText(text) }
    #expect(error?.description == "the command is missing")
  }
}
