import BridgeHelper
import Glibc

// Everything is in the library, where tests can see it.

exit(HelperProgram.run(Array(CommandLine.arguments.dropFirst())))
