// Command switchyard is the one binary of Switchyard: the operator's CLI, the
// worker and the stack for one machine (dev, demo).
package main

import (
	"os"

	"github.com/switchyard/switchyard/cmd/switchyard/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Main(version, os.Args[1:]))
}
