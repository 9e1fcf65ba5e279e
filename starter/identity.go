package starter

import (
	"fmt"
	"os"
)

// IdentityOf begins the identity under which Temporal lists the process with this pid.
func IdentityOf(pid int) string { return fmt.Sprintf("switchyard %d@", pid) }

func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return IdentityOf(os.Getpid()) + host
}
