package acterr_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
)

func kind(k platform.Kind) error {
	return platform.NewError(k, "resize fleet", "web", "", errors.New("why"))
}

func TestTheKindOfAnErrorStandsOutside(t *testing.T) {
	final := acterr.Final("PlanRefused", "traffic is split: %w", errors.New("50/50"))
	cases := map[string]struct {
		err   error
		typ   string
		final bool
	}{
		"nothing known":                     {errors.New("eh"), acterr.Unknown, false},
		"platform, retryable":               {kind(platform.KindThrottled), "Throttled", false},
		"platform, invalid":                 {kind(platform.KindInvalid), "Invalid", true},
		"platform, denied and wrapped":      {fmt.Errorf("a: %w", fmt.Errorf("b: %w", kind(platform.KindDenied))), "Denied", true},
		"final":                             {final, "PlanRefused", true},
		"final, wrapped":                    {fmt.Errorf("plan: %w", final), "PlanRefused", true},
		"retryable application error":       {fmt.Errorf("x: %w", temporal.NewApplicationError("m", "T")), "T", false},
		"joined, all permanent":             {errors.Join(kind(platform.KindDenied), final), "PlanRefused", true},
		"joined, one may get better":        {errors.Join(kind(platform.KindDenied), kind(platform.KindThrottled)), "Denied", false},
		"joined below a wrapper":            {fmt.Errorf("both: %w", errors.Join(final, errors.New("eh"))), "PlanRefused", false},
		"a deadline of a call is a failure": {fmt.Errorf("get: %w", context.DeadlineExceeded), acterr.Unknown, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := acterr.ToTemporal(c.err)
			app, ok := got.(*temporal.ApplicationError) //nolint:errorlint // it must be the outermost
			require.True(t, ok)
			require.Equal(t, c.typ, app.Type())
			require.Equal(t, c.final, app.NonRetryable())
			require.Equal(t, got, acterr.ToTemporal(got), "a second time changes nothing")
		})
	}
	require.NoError(t, acterr.ToTemporal(nil))
}

func TestTheMessageSaysEverythingOnce(t *testing.T) {
	err := acterr.ToTemporal(fmt.Errorf("plan release r2: %w", acterr.Final("PlanRefused", "traffic is split: %w", errors.New("50/50"))))
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, "plan release r2: traffic is split: 50/50", app.Message())
}

func TestDelayAndCategoryAreKept(t *testing.T) {
	benign := temporal.NewApplicationErrorWithOptions("good", "StillWatching", temporal.ApplicationErrorOptions{
		NextRetryDelay: time.Minute, Category: temporal.ApplicationErrorCategoryBenign,
	})
	var app *temporal.ApplicationError
	require.ErrorAs(t, acterr.ToTemporal(fmt.Errorf("look: %w", benign)), &app)
	require.Equal(t, time.Minute, app.NextRetryDelay())
	require.Equal(t, temporal.ApplicationErrorCategoryBenign, app.Category())
}

func TestCancellationPasses(t *testing.T) {
	require.Equal(t, context.Canceled, acterr.ToTemporal(fmt.Errorf("bake: %w", context.Canceled)))
	cancelled := temporal.NewCanceledError()
	require.Equal(t, cancelled, acterr.ToTemporal(fmt.Errorf("bake: %w", cancelled)))
}
