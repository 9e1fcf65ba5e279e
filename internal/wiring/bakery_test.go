package wiring

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/release/spec"
)

func packerSpec(t *testing.T) spec.Spec {
	t.Helper()
	template := filepath.Join(t.TempDir(), "app.pkr.hcl")
	require.NoError(t, os.WriteFile(template, []byte("variable \"greeting\" {}\n"), 0o600))
	return spec.Spec{Application: "checkout", Environment: "production", Version: "1.0.0", Image: spec.Image{Packer: &spec.Packer{
		Template: template, Variables: map[string]string{"greeting": "hello"}, Secrets: map[string]string{"token": "env:TOKEN"},
	}}}
}

func TestTheInputDigestIsOverWhatABakeReads(t *testing.T) {
	b := &Bakery{}
	s := packerSpec(t)
	one, err := b.InputDigest(context.Background(), s)
	require.NoError(t, err)
	again, err := b.InputDigest(context.Background(), s)
	require.NoError(t, err)
	assert.Equal(t, one, again)

	s.Image.Packer.Variables["greeting"] = "good day"
	other, err := b.InputDigest(context.Background(), s)
	require.NoError(t, err)
	assert.NotEqual(t, one, other)
}

func TestATemplateThatIsNotThereIsNotTriedAgain(t *testing.T) {
	s := packerSpec(t)
	s.Image.Packer.Template = filepath.Join(t.TempDir(), "gone", "app.pkr.hcl")
	_, err := (&Bakery{}).InputDigest(context.Background(), s)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	assert.Equal(t, activities.ErrTemplate, app.Type())
	assert.True(t, app.NonRetryable())
	assert.Contains(t, err.Error(), "app.pkr.hcl")
}

func TestABakeWithoutALocalCloudSaysSo(t *testing.T) {
	_, err := (&Bakery{LocalCloud: t.TempDir()}).Bake(context.Background(), activities.BakeOrder{Release: "r1", Spec: packerSpec(t)}, func(string) {})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "switchyard dev")
	assert.False(t, errors.Is(err, context.Canceled))
}

func TestOnlyABakeThatMayWorkNextTimeIsTriedAgain(t *testing.T) {
	for kind, final := range map[packer.Kind]bool{packer.Configuration: true, packer.Build: true, packer.NoReceipt: true, packer.Crash: false} {
		err := bakeError(context.Background(), &packer.Error{Kind: kind, Message: "Packer's own words"})
		assert.ErrorContains(t, err, "Packer's own words")
		var app *temporal.ApplicationError
		assert.Equal(t, final, errors.As(err, &app) && app.NonRetryable() && app.Type() == activities.ErrTemplate, kind)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, bakeError(cancelled, &packer.Error{Kind: packer.Cancelled}), context.Canceled)
}
