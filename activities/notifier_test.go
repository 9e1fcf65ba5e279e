package activities_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release/spec"
)

func notifyInput(t *testing.T, address string) activities.NotifyInput {
	t.Setenv("NOTIFY_ALL", address)
	t.Setenv("NOTIFY_SOME", address+"-some")
	return activities.NotifyInput{
		Event: "breach", Title: "checkout r2", Body: "the candidate fails",
		Notifications: []spec.Notification{
			{Name: "all", URL: "env:NOTIFY_ALL"},
			{Name: "ends", URL: "env:NOTIFY_SOME", On: []string{"completed", "failed"}},
			{Name: "some", URL: "env:NOTIFY_SOME", On: []string{"breach"}},
		},
	}
}

func TestNotifyTellsThoseWhoWantToHear(t *testing.T) {
	b := newBench(t)
	var told []string
	b.all.Notifier.Send = func(url, message string) error {
		require.Contains(t, message, "checkout r2")
		require.Contains(t, message, "the candidate fails")
		told = append(told, url)
		return nil
	}
	require.NoError(t, act(b, activities.Notify, notifyInput(t, "x://y")))
	require.Equal(t, []string{"x://y", "x://y-some"}, told)
}

func TestNotifyRetriesOnlyThoseWhoWereNotTold(t *testing.T) {
	b := newBench(t)
	in := notifyInput(t, "x://y")
	var told []string
	b.all.Notifier.Send = func(url, _ string) error {
		if url == "x://y" && len(told) == 0 {
			told = append(told, "failed")
			return errors.New("busy")
		}
		told = append(told, url)
		return nil
	}
	var memory []string
	b.env.SetOnActivityHeartbeatListener(func(_ *activity.Info, d converter.EncodedValues) { _ = d.Get(&memory) })
	require.ErrorContains(t, act(b, activities.Notify, in), "notify all of breach")
	b.newAttempt()
	b.env.SetHeartbeatDetails(memory)
	require.NoError(t, act(b, activities.Notify, in))
	require.Equal(t, []string{"failed", "x://y-some", "x://y"}, told)
}

func TestNotifyNeverTellsAnAddress(t *testing.T) {
	b := newBench(t)
	in := notifyInput(t, "slack://hook:T0KEN1-SECRETTOKEN2@webhook")
	for _, send := range []func(string, string) error{
		func(url, _ string) error {
			return errors.New("POST https://hooks.test/services/T0KEN1/SECRETTOKEN2 refused: " + url)
		},
		nil, // the real library
	} {
		b.all.Notifier.Send = send
		err := act(b, activities.Notify, in)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "T0KEN1")
		require.NotContains(t, err.Error(), "SECRETTOKEN2")
		require.Contains(t, err.Error(), "slack service")
	}
}

func TestNotifyNamesAMissingReference(t *testing.T) {
	b := newBench(t)
	in := activities.NotifyInput{Event: "breach", Notifications: []spec.Notification{{Name: "all", URL: "env:NOT_THERE"}}}
	require.ErrorContains(t, act(b, activities.Notify, in), "env:NOT_THERE")
}

func TestNotifyPostsToAWebhook(t *testing.T) {
	b := newBench(t)
	var body string
	address := server(t, func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		body = string(data)
	})
	in := notifyInput(t, "generic://"+address+"/hook?disabletls=yes")
	in.Notifications = in.Notifications[:1]
	require.NoError(t, act(b, activities.Notify, in))
	require.True(t, strings.Contains(body, "the candidate fails"), body)
}
