public import ArgumentParser
import LinuxSystem

/// `culvert completions`.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions",
    abstract: "Print what completes the command line in a shell.",
    discussion: """
      EXAMPLES
        bash, for this user:
          culvert completions bash > ~/.local/share/bash-completion/completions/culvert

        zsh, in a folder of its $fpath:
          culvert completions zsh > ~/.zfunc/_culvert

        fish:
          culvert completions fish > ~/.config/fish/completions/culvert.fish
      """)

  @Argument(help: ArgumentHelp("Which shell: bash, zsh or fish.", valueName: "shell"))
  var shell: CompletionShell

  func run() { StandardStream.output.write(Culvert.completionScript(for: shell) + "\n") }
}

extension CompletionShell: @retroactive ExpressibleByArgument {}
