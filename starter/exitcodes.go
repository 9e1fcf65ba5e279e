package starter

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// ExitCode is how the switchyard command ends; CI decides by it.
//
//	0  completed          the release serves, or the command did what it was asked
//	1  unexpected error   something nobody foresaw; the message says what
//	2  bad input          wrong arguments, a wrong spec, no such release
//	3  rolled back        traffic is back on the previous fleet
//	4  rejected           a gate was refused, or nobody approved in time
//	5  aborted            ended by an order or a cancellation before traffic moved
//	6  failed             the release failed, or a rollback did not work: look at it
//	7  refused            the target is held by another release, an order does not fit, or
//	                      an examination found what blocks a release
//	8  time-out           --timeout passed; the release goes on
//	9  unreachable        Temporal, or a worker, did not answer
type ExitCode int

// The exit codes.
const (
	ExitCompleted ExitCode = iota
	ExitError
	ExitBadInput
	ExitRolledBack
	ExitRejected
	ExitAborted
	ExitFailed
	ExitRefused
	ExitTimeout
	ExitUnreachable
)

// String is the name of the code in JSON errors.
func (c ExitCode) String() string {
	switch c {
	case ExitCompleted:
		return "completed"
	case ExitBadInput:
		return "bad-input"
	case ExitRolledBack:
		return "rolled-back"
	case ExitRejected:
		return "rejected"
	case ExitAborted:
		return "aborted"
	case ExitFailed:
		return "failed"
	case ExitRefused:
		return "refused"
	case ExitTimeout:
		return "timeout"
	case ExitUnreachable:
		return "unreachable"
	}
	return "error"
}

// OutcomeCode is the exit code of a release's outcome.
func OutcomeCode(outcome string) ExitCode {
	switch release.Phase(outcome) {
	case release.PhaseCompleted:
		return ExitCompleted
	case release.PhaseRolledBack:
		return ExitRolledBack
	case release.PhaseRejected:
		return ExitRejected
	case release.PhaseAborted:
		return ExitAborted
	case release.PhaseFailed:
		return ExitFailed
	case release.PhaseRefused:
		return ExitRefused
	}
	return ExitError
}

// CodeOf is the exit code of an error of this package.
func CodeOf(err error) ExitCode {
	var (
		findings    *spec.Findings
		input       *InputError
		unreachable *UnreachableError
		noWorker    *NoWorkerError
		refused     *RefusedError
		differs     *DiffersError
		ended       *EndedError
		timeout     *TimeoutError
		unavailable *serviceerror.Unavailable
	)
	switch {
	case err == nil:
		return ExitCompleted
	case errors.As(err, &findings), errors.As(err, &input), errors.As(err, &differs), errors.As(err, &ended):
		return ExitBadInput
	case errors.As(err, &refused):
		return ExitRefused
	case errors.As(err, &timeout):
		return ExitTimeout
	case errors.As(err, &unreachable), errors.As(err, &noWorker), errors.As(err, &unavailable):
		return ExitUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	}
	return ExitError
}
