package starter

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/switchyard/switchyard/release"
)

func TestEveryEndOfAReleaseHasAnExitCode(t *testing.T) {
	want := map[release.Phase]ExitCode{
		release.PhaseCompleted: 0, release.PhaseRolledBack: 3, release.PhaseRejected: 4,
		release.PhaseAborted: 5, release.PhaseFailed: 6, release.PhaseRefused: 7,
	}
	for _, p := range release.Phases() {
		if !p.Ended() {
			continue
		}
		code, ok := want[p]
		assert.True(t, ok, "phase %s is an end without an exit code", p)
		assert.Equal(t, code, OutcomeCode(string(p)), p)
		assert.Equal(t, string(p), code.String(), "the code's name is the outcome's")
	}
	assert.Equal(t, ExitError, OutcomeCode("something new"))
}

func TestExitCodesOfErrors(t *testing.T) {
	for want, err := range map[ExitCode]error{
		ExitCompleted:   nil,
		ExitError:       errors.New("anything"),
		ExitBadInput:    &InputError{What: "read", Err: errors.New("no")},
		ExitRefused:     &RefusedError{},
		ExitTimeout:     &TimeoutError{},
		ExitUnreachable: &NoWorkerError{},
	} {
		assert.Equal(t, want, CodeOf(err), "%v", err)
		if err != nil {
			assert.Equal(t, want, CodeOf(fmt.Errorf("wrapped: %w", err)))
		}
	}
	assert.Equal(t, ExitTimeout, CodeOf(context.DeadlineExceeded))
}
