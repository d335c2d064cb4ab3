import Foundation
import LinuxSystem
import Testing

extension SystemTests {
  /// What shells complete by what `culvert completions` prints.
  @Suite struct CompletionTests {
    /// A shell, with a script that prints what it completes the words of `$LINE` to, having read `$FILE`.
    static let shells: [(name: String, script: String)] = [
      (
        "bash",
        #"""
        source "$FILE"; COMP_LINE=$LINE; COMP_POINT=${#LINE}; read -ra COMP_WORDS <<<"$LINE"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9; COMP_KEY=9
        function=$(complete -p culvert | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" culvert "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
        """#
      ),
      ("fish", #"source $FILE; complete -C "$LINE""#),
    ]

    @Test(Requirement.culvert, arguments: shells)
    func `a shell completes commands, options and their values`(_ shell: (name: String, script: String)) throws {
      let folder = try ScratchFolder()
      let file = folder.path + "/completions"
      let build = URL(filePath: Requirement.culvertPath).deletingLastPathComponent().path()
      try Program.run(Requirement.culvertPath, "completions", shell.name)
        .write(toFile: file, atomically: true, encoding: .utf8)
      for (line, completion) in [
        ("culvert se", "serve"), ("culvert serve --hostf", "--hostfwd"), ("culvert ctl fo", "forwards"),
        ("culvert ctl forwards re", "remove"), ("culvert serve --restrict o", "off"),
        ("culvert serve --log-level de", "debug"),
      ] {
        let printed = try Program.run(
          "env", "PATH=\(build):\(ProcessControl.environment("PATH") ?? "")", "FILE=\(file)", "LINE=\(line)",
          "HOME=\(folder.path)", shell.name, "-c", shell.script)
        let words = printed.split(separator: "\n").compactMap { $0.split { $0 == " " || $0 == "\t" }.first }
        #expect(words.contains { $0 == completion }, "\(line): \(printed)")
      }
    }

    @Test(Requirement.culvert) func `zsh takes the completions for its own`() throws {
      let folder = try ScratchFolder()
      try Program.run(Requirement.culvertPath, "completions", "zsh")
        .write(toFile: folder.path + "/_culvert", atomically: true, encoding: .utf8)
      let script = "fpath=(\(folder.path) $fpath); autoload -Uz compinit; compinit -u -d \(folder.path)/dump; "
      let printed = try Program.run(
        "zsh", "-f", "-c", script + "autoload +X _culvert && print $_comps[culvert] && zsh -n \(folder.path)/_culvert")
      #expect(printed == "_culvert")
    }
  }
}
