// Package packer bakes images by running the packer binary (1.11 and up) as a child
// process. Its output goes to files, so that the death of this process does not break
// it; the kernel then asks it to stop, and it cleans up by itself. What counts as made
// is what the receipt says and the image's digests confirm, never what was printed.
//
// The template gets Switchyard's own values as variables; it declares those it wants:
// switchyard_release, _application, _environment, _version, _commit, _created,
// _input_digest, _store, _receipt, _endpoint and _parent, and for images in a cloud
// _region, _regions, _tags, _kms_key, _kms_keys and _image_name. An image must not depend
// on switchyard_environment or switchyard_release: the same inputs are baked once and
// reused by every environment.
package packer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/switchyard/switchyard/activities/packer/receipt"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// Receipt is the record of a bake.
type Receipt = receipt.Receipt

// Bake is one call of packer build.
type Bake struct {
	PackerBin string            // path of the packer binary
	PluginDir string            // PACKER_PLUGIN_PATH; see InstallPlugin
	Template  string            // a template file, or a folder of them; Packer runs in its folder
	Only      []string          // builds of the template; empty means all, and then the template must have one
	Variables map[string]string // values of the template's variables; not secret
	Secrets   map[string]string // values of the template's secret variables, resolved; never logged, never in the command line
	Release   Vars
	WorkDir   string        // folder of this release's bakes; every Run makes a folder of its own in it
	Timeout   time.Duration // for the whole bake; 0 means until ctx ends
	Grace     time.Duration // how long Packer may clean up after a cancellation before it is killed; default 5 min
	Env       []string      // environment to start from; nil means Inherited

	// Sweep removes what an earlier bake of the release left outside of WorkDir and the
	// image store. It is called once no earlier one runs here any more; nil does nothing.
	Sweep func(ctx context.Context) error `json:"-"`

	// Inspect judges the files of the image before it is accepted; nil accepts all. Its
	// error is Run's, and the image goes.
	Inspect func(ctx context.Context, root string) error `json:"-"`
}

// Vars are Switchyard's own values; each is a variable "switchyard_…" of the template.
type Vars struct {
	Release     string // the bake's tag: release id
	Application string
	Environment string
	Version     string
	Commit      string
	Created     string // RFC 3339, an input such as the commit's time; part of the image
	InputDigest string
	Store       string // image store of the local platform; empty elsewhere
	Endpoint    string // URL of the local cloud; empty elsewhere
	Parent      string // ref of the image to build on; empty: what the template says

	// Of a cloud. What is empty keeps the template's own default.
	Region    string            // where to bake
	Regions   []string          // the others that the image is for
	Tags      map[string]string // for everything that the bake makes
	KMSKey    string            // encrypts the image in Region
	KMSKeys   map[string]string // encrypt the copies, by region of Regions; "" is the default key
	ImageName string            // no other image has it, not even one of the same bake tried before
}

// Progress is one line of what goes on in a bake, without secrets.
type Progress struct {
	Stage  string // "packer" for Packer's own lines; otherwise a stage of the builder: stage, layer, image, receipt
	Build  string // "switchyard-oci.app"; may be empty
	Detail string
}

const defaultGrace = 5 * time.Minute

// Run bakes and returns the receipt. progress is called for every line, from another
// goroutine but never concurrently; it may be nil. Cancelling ctx makes Packer stop
// and clean up, which is awaited. Every error is an *Error, or Sweep's or
// Inspect's. Whatever the outcome,
// no process, no staging directory and no unaccepted image of this bake is left. What
// an earlier Run in the same WorkDir left is removed first; one that still runs there,
// in this process or another, is stopped and its end awaited.
func (b Bake) Run(ctx context.Context, progress func(Progress)) (Receipt, error) {
	if err := b.check(); err != nil {
		return Receipt{}, err
	}
	turn, err := b.takeTurn(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer turn.Close()
	if b.Sweep != nil {
		if err := b.Sweep(ctx); err != nil {
			return Receipt{}, err
		}
	}
	if _, err := b.sweepStore(); err != nil {
		return Receipt{}, failure(Crash, "", "remove what an earlier bake left in the image store: %v", err)
	}
	r, err := b.run(ctx, progress)
	if err != nil {
		// What Packer could not clean up, such as an image stored before a later step failed.
		if _, sweepErr := b.sweepStore(); sweepErr != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Message += "\nCleaning up failed too: " + sweepErr.Error()
			}
		}
	}
	return r, err
}

func (b Bake) run(ctx context.Context, progress func(Progress)) (Receipt, error) {
	a, err := newAttempt(b)
	if err != nil {
		return Receipt{}, failure(Crash, "", "prepare bake: %v", err)
	}
	defer a.close()
	if b.Timeout > 0 {
		limit := failure(Build, a.logPath(), "the bake took longer than %s and was stopped (raise the timeout, or find out what it waits for)", b.Timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.Timeout, limit)
		defer cancel()
	}
	out := newOutput(b.Secrets, progress)
	exit := a.execute(ctx, out)
	if err := classify(ctx, a, out, exit); err != nil {
		return Receipt{}, err
	}
	r, err := confirm(ctx, a, out)
	if err != nil {
		return Receipt{}, err
	}
	return r, nil
}

// confirm believes a bake only when receipt, Packer and the stored image agree.
func confirm(ctx context.Context, a *attempt, out *output) (Receipt, error) {
	if n := len(out.artifacts); n > 1 {
		return Receipt{}, failure(Configuration, a.logPath(), "the template made %d images (%s); a release has one (name the build in image.packer.only)", n, out.builds())
	}
	r, err := receipt.Read(a.receiptPath())
	if errors.Is(err, os.ErrNotExist) {
		return Receipt{}, failure(NoReceipt, a.logPath(), "Packer succeeded, but the template wrote no receipt (add: post-processor \"switchyard-receipt\" { path = var.switchyard_receipt })")
	}
	if err != nil {
		return Receipt{}, failure(NoReceipt, a.logPath(), "%v", err)
	}
	for build, id := range out.artifacts {
		if id != r.ArtifactID {
			return Receipt{}, failure(NoReceipt, a.logPath(), "the receipt names %s, but Packer says that build %s made %s (bake again)", r.ArtifactID, build, id)
		}
	}
	if len(out.artifacts) == 0 {
		return Receipt{}, failure(NoReceipt, a.logPath(), "the receipt names %s, but Packer reports no artifact (bake again)", r.ArtifactID)
	}
	if r.BuilderID != receipt.BuilderOCI || a.bake.Release.Store == "" {
		return r, nil
	}
	store, err := oci.Open(a.bake.Release.Store)
	if err != nil {
		return Receipt{}, failure(NoReceipt, a.logPath(), "%v", err)
	}
	if err := inspect(ctx, a, store, r.ArtifactID); err != nil {
		return Receipt{}, err
	}
	if err := accept(a, store, r); err != nil {
		return Receipt{}, failure(NoReceipt, a.logPath(), "%v", err)
	}
	return r, nil
}

// inspect shows the files of the image, which nobody else finds yet, to Inspect.
func inspect(ctx context.Context, a *attempt, store *oci.Store, digest string) error {
	if a.bake.Inspect == nil {
		return nil
	}
	root := filepath.Join(a.dir, "root")
	defer os.RemoveAll(root) //nolint:errcheck // it goes with the attempt's folder at the latest
	if err := store.Unpack(digest, root); err != nil {
		return failure(Crash, a.logPath(), "unpack the image to inspect it: %v", err)
	}
	return a.bake.Inspect(ctx, root)
}

// accept hashes the stored image again, keeps its attestation and makes it a finished image.
func accept(a *attempt, store *oci.Store, r Receipt) error {
	if err := store.Verify(r.ArtifactID); err != nil {
		return err
	}
	if err := keepAttestation(store, r.ArtifactID, a.dir); err != nil {
		return err
	}
	return store.Accept(r.ArtifactID, a.bake.Release.Release)
}

// check finds what can be told before Packer runs.
func (b Bake) check() error {
	if info, err := os.Stat(b.PackerBin); err != nil || info.IsDir() {
		return failure(Configuration, "", "there is no packer binary at %q (install Packer 1.11 or newer, or run make tools)", b.PackerBin)
	}
	if _, err := os.Stat(b.Template); err != nil {
		return failure(Configuration, "", "read Packer template: %v", err)
	}
	if b.WorkDir == "" {
		return failure(Configuration, "", "the bake has no work directory")
	}
	return b.checkVariables()
}

// templateDir is where Packer runs, so that relative paths mean files beside the template.
func (b Bake) templateDir() string {
	abs, err := filepath.Abs(b.Template)
	if err != nil {
		abs = b.Template
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return abs
	}
	return filepath.Dir(abs)
}

func (b Bake) sweepStore() ([]string, error) {
	if b.Release.Store == "" || b.Release.Release == "" {
		return nil, nil
	}
	store, err := oci.Open(b.Release.Store)
	if err != nil {
		return nil, err
	}
	return store.Sweep(b.Release.Release)
}
