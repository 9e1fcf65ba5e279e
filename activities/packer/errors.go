package packer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Kind says what a failed bake means.
type Kind string

// The kinds of failure.
const (
	Configuration Kind = "Configuration" // Packer or we refused the template, its variables or the set-up; nothing was built
	Build         Kind = "Build"         // the build ran and failed
	Crash         Kind = "Crash"         // Packer or a plugin died, or could not be started; trying again may help
	Cancelled     Kind = "Cancelled"     // stopped by the caller, cleaned up
	NoReceipt     Kind = "NoReceipt"     // Packer says it succeeded, and we cannot confirm it
)

// Error is a failed bake. Message holds no secrets, and Packer's own words where it
// said any.
type Error struct {
	Kind    Kind
	Message string
	LogPath string // Packer's whole output, scrubbed; empty when it did not run
}

func (e *Error) Error() string {
	s := "bake image: " + e.Message
	if e.LogPath != "" {
		s += " (log: " + e.LogPath + ")"
	}
	return s
}

// Retryable says whether the same bake may succeed another time.
func (e *Error) Retryable() bool { return e.Kind == Crash }

// KindOf is the kind of the first Error in the chain, "" when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func failure(k Kind, log, format string, args ...any) *Error {
	return &Error{Kind: k, LogPath: log, Message: fmt.Sprintf(format, args...)}
}

// classify turns the end of a packer process into an error, nil when it succeeded.
// Packer exits with 1 for nearly everything, so its words decide.
func classify(ctx context.Context, a *attempt, out *output, exit exit) error {
	log := a.logPath()
	if ctx.Err() != nil {
		// Also when Packer was faster than the order to stop: nobody waits for the image.
		var limit *Error
		if errors.As(context.Cause(ctx), &limit) {
			return limit
		}
		return failure(Cancelled, log, "cancelled")
	}
	if errors.Is(exit.startErr, fs.ErrPermission) || errors.Is(exit.startErr, syscall.ENOEXEC) {
		return failure(Configuration, log, "start packer: %v (is %s the packer program?)", exit.startErr, a.bake.PackerBin)
	}
	if exit.startErr != nil {
		return failure(Crash, log, "start packer: %v", exit.startErr)
	}
	if exit.code == 0 {
		return nil
	}
	text := out.errorText()
	switch {
	case out.interrupted:
		// Not by us: a service manager that stops everything at once does this.
		return failure(Crash, log, "Packer was told to stop by somebody else")
	case out.crashed || exit.code == 2:
		return failure(Crash, log, "Packer crashed%s", orNothing(text))
	case exit.code < 0:
		return failure(Crash, log, "Packer was killed (%v)%s", exit.err, orNothing(text))
	case strings.Contains(text, "unexpected EOF") || strings.Contains(text, "connection is shut down"):
		return failure(Crash, log, "a Packer plugin died%s", orNothing(text))
	case !out.counted:
		// Packer counts errors only of builds that it began.
		return failure(Configuration, log, "%s", orExit(text, exit.code))
	default:
		return failure(Build, log, "%s", orExit(text, exit.code))
	}
}

func orNothing(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func orExit(text string, code int) string {
	if text == "" {
		return fmt.Sprintf("Packer exited with %d and gave no reason", code)
	}
	return text
}
